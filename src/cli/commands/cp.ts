import { env, stderr } from 'node:process'
import { isTag } from '../../content/reference.ts'
import type { ExtendedCopyOptions, ExtendedCopyResult } from '../../copy/extended-options.ts'
import type { CopyOptions, CopyResult } from '../../copy/options.ts'
import type { CopyEvent } from '../../events.ts'
import type { Target } from '../../targets/target.ts'
import { flagsOfSide, secretWarnings, readConnection, type Connection } from '../connection.ts'
import type { CpFlags } from '../flags.ts'
import { auditedPlace } from '../audit-log.ts'
import { CopyAudit } from '../copy-audit.ts'
import { checkRoot, readChoices, type CopyChoices } from '../copy-choices.ts'
import { mountRepositories } from '../mount-from.ts'
import { newWarnings, writeTrace } from '../output/command-events.ts'
import { runCommand, writeWarning, type Party } from '../output/failure.ts'
import { progressBars } from '../output/progress-bars.ts'
import { progressLines } from '../output/progress-lines.ts'
import type { Progress } from '../output/progress.ts'
import { CopyCounter, type CopyReport } from '../output/report.ts'
import { describeInvalidated, describeTotals } from '../output/summary.ts'
import { formatJson, writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { formatAddress, formatPlace, parseDestination, parseSource, type Address } from '../references.ts'
import { soleReference } from '../sole-reference.ts'
import { Targets } from '../targets.ts'
import { usageError } from '../usage-error.ts'

/** `copygraph cp`: copies the graph under a reference, and says what is at the destination then. */
export async function cp(
  sourceText: string,
  destinationText: string,
  flags: CpFlags,
  { signal }: CommandContext,
): Promise<number> {
  const source = parseSource(sourceText, { isLayout: flags.fromOciLayout })
  const destination = parseDestination(destinationText, { isLayout: flags.toOciLayout })
  const mountFrom = mountRepositories(flags.mountFrom, destination.place)
  if (flags.fromPasswordStdin === true && flags.toPasswordStdin === true) {
    throw usageError('--from-password-stdin and --to-password-stdin cannot both read stdin: give one of them')
  }
  const choices = await readChoices(flags)
  const parties = {
    source: partyOf(source, flags, 'source'),
    destination: partyOf(destination, flags, 'destination'),
  }
  const { debug, auditLog } = flags
  return runCommand({ signal, debug, auditLog, ...parties }, async (log) => {
    const connections = await readConnections(flags, signal)
    const targets = new Targets()
    const places = { source: auditedPlace(source.place), destination: auditedPlace(destination.place) }
    const audit = log && new CopyAudit(log, places)
    const options = { signal, mountFrom }
    try {
      await copyBetween({ source, destination, targets, connections, flags, choices, audit, options })
    } catch (error) {
      audit?.failed(error, signal)
      throw error
    } finally {
      await targets.close()
    }
  })
}

interface Connections {
  readonly source: Connection
  readonly destination: Connection
}

interface Job {
  readonly source: Address
  readonly destination: Address
  readonly targets: Targets
  readonly connections: Connections
  readonly flags: CpFlags
  readonly choices: CopyChoices
  readonly audit: CopyAudit | undefined
  readonly options: Pick<CopyOptions, 'signal' | 'mountFrom'>
}

async function copyBetween({
  source,
  destination,
  targets,
  connections,
  flags,
  choices,
  audit,
  options,
}: Job): Promise<void> {
  const { uploadJournal } = await import('../upload-journal.ts')
  const from = await targets.open(source.place, connections.source)
  const to = await targets.open(destination.place, connections.destination, {
    chunkBytes: flags.chunkSize,
    uploadJournal: uploadJournal(),
  })
  const reference = await soleReference(from, source, options)
  audit?.begin(reference)
  const counter = new CopyCounter()
  const progress = chooseProgress(flags)
  const isNew = newWarnings()
  const onEvent = (event: CopyEvent): void => {
    counter.hear(event)
    audit?.hear(event)
    if (flags.debug === true && (event.type === 'request' || progress === undefined)) writeTrace(event)
    if (isNew(event)) progress?.hear(event)
  }
  const started = performance.now()
  const run = flags.recursive === true ? copyExtended : copyAlone
  const result = await run(from, reference, to, {
    ...options,
    ...choices.options,
    mapRoot: watchRoot({ choices, flags, audit }, onEvent),
    destinationReference: destinationReferences(reference, source, destination),
    concurrency: flags.concurrency,
    keepPartial: true,
    foreignLayers: flags.foreignLayers,
    onMissingSubject: flags.allowMissingSubject === true ? 'skip' : 'error',
    onEvent,
  }).finally(() => progress?.stop())
  audit?.done(result.root)
  if (flags.quiet !== true) {
    result.invalidated.map(describeInvalidated).forEach(writeWarning)
    const ends = `${formatAddress(source)} => ${formatAddress(destination)}`
    writeLine(`${ends}: ${describeTotals(counter.totals, performance.now() - started)}`)
  }
  const name = `${formatPlace(destination.place)}@${result.root.digest}\n`
  const isJson = flags.format === 'json'
  await writeData(isJson ? formatJson(reportOf(result, counter, source, destination)) : name)
}

/** A `mapRoot` that keeps the root, and has it looked at where that is needed. */
function watchRoot(
  { choices, flags, audit }: Pick<Job, 'choices' | 'flags' | 'audit'>,
  onEvent: (event: CopyEvent) => void,
): CopyOptions['mapRoot'] {
  const check = checkRoot(choices, (message) => onEvent({ type: 'warning', side: 'source', message }))
  // Of what an extended copy tells, the first node need not be the one that was asked for.
  if (audit === undefined || flags.recursive !== true) return check
  return (state) => {
    audit.found(state.root)
    return check === undefined ? state.root : check(state)
  }
}

type Result = CopyResult & Partial<Pick<ExtendedCopyResult, 'digestTags'>>

async function copyAlone(
  source: Target,
  reference: string,
  destination: Target,
  options: ExtendedCopyOptions,
): Promise<Result> {
  const { copy } = await import('../../copy/copy.ts')
  return copy(source, reference, destination, options)
}

async function copyExtended(
  source: Target,
  reference: string,
  destination: Target,
  options: ExtendedCopyOptions,
): Promise<Result> {
  const { extendedCopy } = await import('../../copy/extended-copy.ts')
  return extendedCopy(source, reference, destination, options)
}

async function readConnections(flags: CpFlags, signal: AbortSignal): Promise<Connections> {
  const sides = { source: flagsOfSide(flags, 'source'), destination: flagsOfSide(flags, 'destination') }
  const connections = {
    source: await readConnection(sides.source, '--from-', signal),
    destination: await readConnection(sides.destination, '--to-', signal),
  }
  const warnings = [...secretWarnings(sides.source, '--from-'), ...secretWarnings(sides.destination, '--to-')]
  if (flags.quiet !== true) new Set(warnings).forEach((warning) => writeWarning(warning))
  return connections
}

function partyOf(address: Address, flags: CpFlags, side: 'source' | 'destination'): Party {
  return {
    place: address.place,
    name: formatAddress(address),
    prefix: side === 'source' ? '--from-' : '--to-',
    hasCredential: flagsOfSide(flags, side).username !== undefined,
  }
}

/** A repository without a tag gets that of the source; a layout lists the root without one. */
function destinationReferences(reference: string, source: Address, destination: Address): readonly string[] {
  const { place, tags, digest } = destination
  if (tags.length > 0 || digest !== undefined) return digest === undefined ? tags : [...tags, digest]
  if (place.kind === 'layout') return []
  const [tag = reference] = source.tags
  return isTag(tag) ? [tag] : []
}

/** Nothing where nothing is to be shown. */
function chooseProgress(flags: CpFlags): Progress | undefined {
  if (flags.quiet === true) return undefined
  const isTerminal = stderr.isTTY && env['TERM'] !== 'dumb' && env['CI'] === undefined
  return isTerminal && flags.tty && flags.debug !== true ? progressBars(stderr) : progressLines(writeLine)
}

function reportOf(
  { root, tags, digestTags = [], invalidated }: Result,
  { totals, nodes }: CopyCounter,
  source: Address,
  destination: Address,
): CopyReport {
  return {
    schemaVersion: 1,
    source: formatAddress(source),
    destination: formatAddress(destination),
    tags,
    descriptor: root,
    totals,
    digestTags,
    nodes,
    invalidated: invalidated.map(({ descriptor, artifactType, subject, disposition, reason }) => ({
      digest: descriptor.digest,
      artifactType,
      subject: subject.digest,
      disposition,
      reason,
    })),
  }
}

function writeLine(line: string): void {
  stderr.write(`${line}\n`)
}
