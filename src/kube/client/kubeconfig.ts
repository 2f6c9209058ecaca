/**
 * kubeconfig files (`kubectl config view` shows their form): contexts, certificates and tokens inline or in files, exec
 * plugins. Files of `KUBECONFIG` are merged as kubectl does: the first that defines a name wins.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { messageOf } from '#core/lib/error.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { parseEndpoint, type ClusterAccess, type Credentials } from './access.ts'
import { ExecCredential, execSchema } from './exec-credential.ts'

export interface KubeconfigOptions {
  /** Path of the file; absent: `KUBECONFIG`, else `~/.kube/config`. */
  path?: string
  /** Context to use; absent: the file's current one. */
  context?: string
  /** Absent: the process's environment. */
  env?: Record<string, string | undefined>
}

/** Reads the kubeconfig. The error is a sentence for people that names the file. */
export function loadKubeconfig(options: KubeconfigOptions = {}): Result<ClusterAccess> {
  const env = options.env ?? process.env
  const paths = kubeconfigPaths(options.path, env)
  const files: LoadedFile[] = []
  for (const path of paths) {
    // kubectl passes over files of a list that do not exist.
    if (paths.length > 1 && !existsSync(path)) continue
    const file = readFile(path)
    if (!file.ok) return file
    files.push(file.value)
  }
  const where = paths.join(':')
  if (files.length === 0) return err(`no kubeconfig at ${where}`)
  const contextName =
    options.context ?? files.map((file) => file.content['current-context']).find((name) => name)
  if (contextName === undefined) return err(`${where} has no current-context; name one with --context`)
  const context = find(files, 'contexts', contextName)
  if (context === undefined) return err(`${where} has no context "${contextName}"`)
  const { cluster: clusterName, user: userName, namespace } = context.entry.context
  const cluster = find(files, 'clusters', clusterName)
  if (cluster === undefined)
    return err(`${where}: context "${contextName}" names the cluster "${clusterName}", which is not there`)
  const user = userName === undefined || userName === '' ? undefined : find(files, 'users', userName)
  if (user === undefined && userName !== undefined && userName !== '')
    return err(`${where}: context "${contextName}" names the user "${userName}", which is not there`)
  return access(cluster, user, env, {
    origin: `context ${contextName} of ${context.file.path}`,
    namespace: namespace ?? 'default',
  })
}

/** The files that a kubeconfig is made of, first wins. */
export function kubeconfigPaths(path: string | undefined, env: Record<string, string | undefined>): string[] {
  if (path !== undefined) return [path]
  const listed = (env['KUBECONFIG'] ?? '').split(':').filter((entry) => entry !== '')
  if (listed.length > 0) return listed
  return [resolve(env['HOME'] ?? homedir(), '.kube/config')]
}

const clusterSchema = z.object({
  name: z.string(),
  cluster: z.object({
    server: z.string(),
    'certificate-authority': z.string().optional(),
    'certificate-authority-data': z.string().optional(),
    'insecure-skip-tls-verify': z.boolean().optional(),
    'tls-server-name': z.string().optional(),
  }),
})

const userSchema = z.object({
  name: z.string(),
  user: z
    .object({
      'client-certificate': z.string().optional(),
      'client-certificate-data': z.string().optional(),
      'client-key': z.string().optional(),
      'client-key-data': z.string().optional(),
      token: z.string().optional(),
      tokenFile: z.string().optional(),
      username: z.string().optional(),
      password: z.string().optional(),
      exec: execSchema.optional(),
      'auth-provider': z.unknown().optional(),
    })
    .nullish(),
})

const kubeconfigSchema = z.object({
  'current-context': z.string().optional(),
  contexts: z
    .array(
      z.object({
        name: z.string(),
        context: z.object({
          cluster: z.string(),
          user: z.string().optional(),
          namespace: z.string().optional(),
        }),
      }),
    )
    .nullish(),
  clusters: z.array(clusterSchema).nullish(),
  users: z.array(userSchema).nullish(),
})

type Kubeconfig = z.output<typeof kubeconfigSchema>
type ListName = 'contexts' | 'clusters' | 'users'
type Entry<K extends ListName> = NonNullable<Kubeconfig[K]>[number]

interface LoadedFile {
  path: string
  content: Kubeconfig
}

interface Found<K extends ListName> {
  file: LoadedFile
  entry: Entry<K>
}

function readFile(path: string): Result<LoadedFile> {
  let document: unknown
  try {
    document = parse(readFileSync(path, 'utf8'))
  } catch (error) {
    return err(`cannot read the kubeconfig ${path}: ${messageOf(error)}`)
  }
  const parsed = kubeconfigSchema.safeParse(document ?? {})
  if (parsed.success) return ok({ path, content: parsed.data })
  const issue = parsed.error.issues[0]!
  return err(`the kubeconfig ${path} is not valid: ${issue.path.join('.')}: ${issue.message}`)
}

function find<K extends ListName>(files: LoadedFile[], list: K, name: string): Found<K> | undefined {
  for (const file of files) {
    const entries = (file.content[list] ?? []) as Entry<K>[]
    const entry = entries.find((candidate) => candidate.name === name)
    if (entry !== undefined) return { file, entry }
  }
  return undefined
}

function access(
  cluster: Found<'clusters'>,
  user: Found<'users'> | undefined,
  env: Record<string, string | undefined>,
  about: { origin: string; namespace: string },
): Result<ClusterAccess> {
  const settings = cluster.entry.cluster
  const endpoint = parseEndpoint(settings.server)
  if (endpoint === undefined)
    return err(`${cluster.file.path}: "${settings.server}" is not the address of an API server`)
  const ca = pem(cluster.file, settings['certificate-authority-data'], settings['certificate-authority'])
  if (!ca.ok) return ca
  const credentials = credentialsOf(user, settings, env)
  if (!credentials.ok) return credentials
  return ok({
    ...about,
    credentials: () => credentials.value.credentials(),
    credentialsRefused: () => credentials.value.credentialsRefused(),
    endpoint,
    tls: {
      insecure: settings['insecure-skip-tls-verify'] ?? false,
      ...(ca.value === undefined ? {} : { ca: ca.value }),
      ...(settings['tls-server-name'] === undefined ? {} : { serverName: settings['tls-server-name'] }),
    },
  })
}

type CredentialSource = Pick<ClusterAccess, 'credentials' | 'credentialsRefused'>

function credentialsOf(
  user: Found<'users'> | undefined,
  cluster: Entry<'clusters'>['cluster'],
  env: Record<string, string | undefined>,
): Result<CredentialSource> {
  if (user === undefined || user.entry.user === null || user.entry.user === undefined) return ok(fixed({}))
  const { file, entry } = user
  const settings = entry.user!
  if (settings.exec !== undefined)
    return ok(new ExecCredential(settings.exec, dirname(resolve(file.path)), cluster, env))
  if (settings['auth-provider'] !== undefined)
    return err(
      `${file.path}: user "${entry.name}" has an auth-provider, which Kubernetes 1.26 removed; use an exec plugin`,
    )
  const certificate = pem(file, settings['client-certificate-data'], settings['client-certificate'])
  if (!certificate.ok) return certificate
  const key = pem(file, settings['client-key-data'], settings['client-key'])
  if (!key.ok) return key
  const tls: Credentials = {
    ...(certificate.value === undefined ? {} : { certificate: certificate.value }),
    ...(key.value === undefined ? {} : { key: key.value }),
  }
  if (settings.tokenFile !== undefined) {
    const path = resolve(dirname(file.path), settings.tokenFile)
    // Read each time: whoever wrote the file may renew it.
    return ok({
      async credentials() {
        return { ...tls, authorization: `Bearer ${readFileSync(path, 'utf8').trim()}` }
      },
      credentialsRefused() {},
    })
  }
  if (settings.token !== undefined) return ok(fixed({ ...tls, authorization: `Bearer ${settings.token}` }))
  if (settings.username !== undefined) {
    const pair = Buffer.from(`${settings.username}:${settings.password ?? ''}`).toString('base64')
    return ok(fixed({ ...tls, authorization: `Basic ${pair}` }))
  }
  return ok(fixed(tls))
}

function fixed(credentials: Credentials): CredentialSource {
  return { credentials: () => Promise.resolve(credentials), credentialsRefused() {} }
}

/** Inline data (base64) wins over a file, whose path is relative to the kubeconfig. */
function pem(
  file: LoadedFile,
  data: string | undefined,
  path: string | undefined,
): Result<string | undefined> {
  if (data !== undefined && data !== '') return ok(Buffer.from(data, 'base64').toString('utf8'))
  if (path === undefined || path === '') return ok(undefined)
  const absolute = resolve(dirname(file.path), path)
  try {
    return ok(readFileSync(absolute, 'utf8'))
  } catch (error) {
    return err(`${file.path} names ${path}, which cannot be read: ${messageOf(error)}`)
  }
}
