/** `herald peer …`: gives a command to a session. */
import { postJson } from '#api/contract/client.ts'
import { peerCommandAnswerSchema, type PeerCommandRequest } from '#api/contract/contract.ts'
import { failureOf } from './get.ts'
import type { Terminal } from './terminal.ts'

export interface PeerCommandOptions {
  server: string
  node?: string
  instance?: string
  all: boolean
  text?: string
}

/** One after the other, each to all sessions that are meant. */
export async function commandPeer(
  peer: string,
  commands: readonly PeerCommandRequest['command'][],
  { server, ...options }: PeerCommandOptions,
  terminal: Terminal,
): Promise<void> {
  for (const command of commands) {
    const request: PeerCommandRequest = { peer, command, ...options }
    const answer = await postJson(server, '/v1/peers/command', request, peerCommandAnswerSchema)
    if (!answer.ok) throw failureOf(answer.error)
    for (const { node, instance, peer: name, address } of answer.value.peers)
      terminal.out(`${said[command]} ${name} (${address}) of ${instance} on ${node}`)
  }
}

const said: Record<PeerCommandRequest['command'], string> = {
  reset: 'ended and started anew the session with',
  refreshIn: 'asked for all routes again from',
  refreshOut: 'sent all routes again to',
  enable: 'enabled',
}
