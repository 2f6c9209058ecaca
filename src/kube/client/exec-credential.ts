/** Credentials from a program (`client.authentication.k8s.io/v1`): run when needed, cached until they expire. */
import { execFile } from 'node:child_process'
import { z } from 'zod'
import type { Credentials } from './access.ts'

export const execSchema = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().optional(),
  provideClusterInfo: z.boolean().optional(),
})

export type ExecSettings = z.output<typeof execSchema>

const answerSchema = z.object({
  kind: z.literal('ExecCredential'),
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
})

/** Renewed this long before the plugin's own expiry. */
const expiryMarginMs = 10_000

export class ExecCredential {
  readonly #settings: ExecSettings
  readonly #directory: string
  readonly #cluster: Record<string, unknown>
  readonly #env: Record<string, string | undefined>
  #cached: { credentials: Credentials; until: number } | undefined
  #running: Promise<Credentials> | undefined

  /** `directory`: a command with a slash in it is relative to this one. `cluster`: as the kubeconfig has it. */
  constructor(
    settings: ExecSettings,
    directory: string,
    cluster: Record<string, unknown>,
    env: Record<string, string | undefined>,
  ) {
    this.#settings = settings
    this.#directory = directory
    this.#cluster = cluster
    this.#env = env
  }

  credentials(): Promise<Credentials> {
    if (this.#cached !== undefined && Date.now() < this.#cached.until)
      return Promise.resolve(this.#cached.credentials)
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  credentialsRefused(): void {
    this.#cached = undefined
  }

  async #run(): Promise<Credentials> {
    const answer = answerSchema.safeParse(JSON.parse(await this.#output()))
    if (!answer.success) throw new Error(`${this.#settings.command} did not answer with an ExecCredential`)
    const { status } = answer.data
    const credentials: Credentials = {
      ...(status.token === undefined ? {} : { authorization: `Bearer ${status.token}` }),
      ...(status.clientCertificateData === undefined ? {} : { certificate: status.clientCertificateData }),
      ...(status.clientKeyData === undefined ? {} : { key: status.clientKeyData }),
    }
    const expires = status.expirationTimestamp === undefined ? NaN : Date.parse(status.expirationTimestamp)
    this.#cached = { credentials, until: Number.isNaN(expires) ? Infinity : expires - expiryMarginMs }
    return credentials
  }

  #output(): Promise<string> {
    const { apiVersion, command, args, env, installHint, provideClusterInfo } = this.#settings
    const info = {
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(provideClusterInfo === true ? { cluster: this.#clusterInfo() } : {}) },
    }
    const extra = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]))
    const options = {
      env: { ...this.#env, ...extra, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: 60_000,
      maxBuffer: 1 << 20,
      ...(command.includes('/') ? { cwd: this.#directory } : {}),
    }
    return new Promise((resolve, reject) => {
      execFile(command, args ?? [], options, (error, stdout, stderr) => {
        if (error === null) return resolve(stdout)
        const said = stderr.trim() === '' ? error.message : stderr.trim()
        const hint = installHint === undefined ? '' : ` (${installHint.trim()})`
        reject(new Error(`the credential plugin ${command} failed: ${said}${hint}`))
      })
    })
  }

  #clusterInfo(): Record<string, unknown> {
    const cluster = this.#cluster
    return {
      server: cluster['server'],
      'tls-server-name': cluster['tls-server-name'],
      'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
      'certificate-authority-data': cluster['certificate-authority-data'],
    }
  }
}
