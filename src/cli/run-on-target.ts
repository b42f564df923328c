import type { Descriptor } from '../content/descriptor.ts'
import type { SignalOptions } from '../events.ts'
import type { Target } from '../targets/target.ts'
import { audited, auditedPlace, type AuditEntry, type AuditOperation } from './audit-log.ts'
import { secretWarnings, readConnection, type Connection } from './connection.ts'
import type { ConnectionFlags } from './flags.ts'
import { commandEvents } from './output/command-events.ts'
import { runCommand, writeWarning, type Party } from './output/failure.ts'
import { formatAddress, referenceIn, type Address } from './references.ts'
import { Targets } from './targets.ts'

/** What a command has found, for the record of it: the node of a reference. */
export interface Found {
  readonly descriptor?: Descriptor
}

/** Runs a command that works on one target, and closes what it opened. Resolves to the exit code. */
export function runOnTarget(
  address: Address & Pick<ConnectedParty, 'operation'>,
  flags: ConnectionFlags,
  signal: AbortSignal,
  work: (target: Target, options: SignalOptions) => Promise<Found>,
): Promise<number> {
  const reference = referenceIn(address)
  const { place, operation } = address
  const party = { operation, place, name: formatAddress(address), reference }
  return runConnected(party, flags, signal, async (targets, connection, options) =>
    work(await targets.open(address.place, connection), options),
  )
}

/** What a command works on. */
export interface ConnectedParty extends Pick<Party, 'place' | 'name'> {
  readonly operation: AuditOperation
  /** The tag or digest that is asked for. */
  readonly reference?: string | undefined
}

/** The same for a command that opens by itself what it works on. */
export function runConnected(
  party: ConnectedParty,
  flags: ConnectionFlags,
  signal: AbortSignal,
  work: (targets: Targets, connection: Connection, options: SignalOptions) => Promise<Found>,
): Promise<number> {
  const known: Party = { ...party, prefix: '--', hasCredential: flags.username !== undefined }
  const { debug, auditLog } = flags
  return runCommand({ signal, debug, auditLog, source: known, destination: known }, async (log) => {
    const connection = await readConnection(flags, '--', signal)
    secretWarnings(flags, '--').forEach(writeWarning)
    const targets = new Targets()
    try {
      await audited(log, entryOf(party), { signal, found: (found) => found }, () =>
        work(targets, connection, { signal, onEvent: commandEvents(flags) }),
      )
    } finally {
      await targets.close()
    }
  })
}

function entryOf({ operation, place, name, reference }: ConnectedParty): AuditEntry {
  return { operation, target: place === undefined ? name : auditedPlace(place), reference }
}
