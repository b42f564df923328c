import type { SignalOptions } from '../events.ts'
import type { Target } from '../targets/target.ts'
import { passwordWarning, readConnection, type Connection } from './connection.ts'
import type { TargetFlags } from './flags.ts'
import { commandEvents } from './output/command-events.ts'
import { runCommand, writeWarning, type Party } from './output/failure.ts'
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
      await work(targets, connection, { signal, onEvent: commandEvents(flags) })
    } finally {
      await targets.close()
    }
  })
}
