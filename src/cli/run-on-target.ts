import { stderr } from 'node:process'
import type { SignalOptions } from '../events.ts'
import type { Target } from '../targets/target.ts'
import { passwordWarning, readConnection, type Connection } from './connection.ts'
import type { CommonFlags, TargetFlags } from './flags.ts'
import { runCommand, writeWarning, type Party } from './output/failure.ts'
import { describeRequest } from './output/progress.ts'
import { formatAddress, type Address } from './references.ts'
import { Targets } from './targets.ts'

/** Runs a command that works on one target, and closes what it opened. Resolves to the exit code. */
export function runOnTarget(
  address: Address,
  flags: TargetFlags,
  signal: AbortSignal,
  work: (target: Target, options: SignalOptions) => Promise<void>,
): Promise<number> {
  const party = { place: address.place, name: formatAddress(address) }
  return runConnected(party, flags, signal, async (targets, connection, options) => {
    await work(await targets.open(address.place, connection), options)
  })
}

/** The same for a command that opens by itself what it works on. */
export function runConnected(
  party: Pick<Party, 'place' | 'name'>,
  flags: TargetFlags,
  signal: AbortSignal,
  work: (targets: Targets, connection: Connection, options: SignalOptions) => Promise<void>,
): Promise<number> {
  const known: Party = { ...party, prefix: '--', hasCredential: flags.username !== undefined }
  return runCommand({ signal, debug: flags.debug, source: known, destination: known }, async () => {
    const connection = await readConnection(flags, '--', signal)
    const warning = passwordWarning(flags, '--')
    if (warning !== undefined) writeWarning(warning)
    const targets = new Targets()
    try {
      await work(targets, connection, { signal, onEvent: debugEvents(flags) })
    } finally {
      await targets.close()
    }
  })
}

/** Requests where --debug is given, and warnings. */
export function debugEvents({ debug = false }: CommonFlags): SignalOptions['onEvent'] {
  return (event) => {
    if (event.type === 'request' && debug) stderr.write(`${describeRequest(event)}\n`)
    if (event.type === 'warning') writeWarning(event.message)
  }
}
