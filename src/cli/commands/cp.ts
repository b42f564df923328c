import { env, stderr } from 'node:process'
import { formatBytes } from '../../content/format-bytes.ts'
import { isTag } from '../../content/reference.ts'
import type { CopyOptions, CopyResult } from '../../copy/options.ts'
import { flagsOfSide, secretWarnings, readConnection, type Connection } from '../connection.ts'
import type { CpFlags } from '../flags.ts'
import { auditedPlace } from '../audit-log.ts'
import { CopyAudit } from '../copy-audit.ts'
import { mountRepositories } from '../mount-from.ts'
import { newWarnings, writeTrace } from '../output/command-events.ts'
import { runCommand, writeWarning, type Party } from '../output/failure.ts'
import { progressBars } from '../output/progress-bars.ts'
import { progressLines } from '../output/progress-lines.ts'
import { formatRate, type Progress } from '../output/progress.ts'
import { CopyCounter, type CopyReport } from '../output/report.ts'
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
      await copyBetween({ source, destination, targets, connections, flags, audit, options })
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
  readonly audit: CopyAudit | undefined
  readonly options: Pick<CopyOptions, 'signal' | 'mountFrom'>
}

async function copyBetween({
  source,
  destination,
  targets,
  connections,
  flags,
  audit,
  options,
}: Job): Promise<void> {
  const { copy } = await import('../../copy/copy.ts')
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
  const started = performance.now()
  const result = await copy(from, reference, to, {
    ...options,
    destinationReference: destinationReferences(reference, source, destination),
    platform: flags.platform,
    concurrency: flags.concurrency,
    verify: flags.verify,
    keepPartial: true,
    foreignLayers: flags.foreignLayers,
    onMissingSubject: flags.allowMissingSubject === true ? 'skip' : 'error',
    onEvent(event) {
      counter.hear(event)
      audit?.hear(event)
      if (flags.debug === true && (event.type === 'request' || progress === undefined)) writeTrace(event)
      if (isNew(event)) progress?.hear(event)
    },
  }).finally(() => progress?.stop())
  audit?.done()
  if (flags.quiet !== true) writeLine(summaryOf(counter, source, destination, performance.now() - started))
  const name = `${formatPlace(destination.place)}@${result.root.digest}\n`
  const isJson = flags.format === 'json'
  await writeData(isJson ? formatJson(reportOf(result, counter, source, destination)) : name)
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

function summaryOf(
  counter: CopyCounter,
  source: Address,
  destination: Address,
  milliseconds: number,
): string {
  const { nodes, bytes, requests } = counter.totals
  const counts = [
    `${nodes.copy} copied`,
    ...(nodes.mount > 0 ? [`${nodes.mount} mounted`] : []),
    ...(nodes.skip > 0 ? [`${nodes.skip} skipped`] : []),
    ...(nodes.filter > 0 ? [`${nodes.filter} filtered`] : []),
  ]
  return (
    `${formatAddress(source)} => ${formatAddress(destination)}: ${counts.join(', ')}, ` +
    `${formatBytes(bytes)} in ${(milliseconds / 1000).toFixed(1)} s (${formatRate(bytes, milliseconds)}), ` +
    `${requests.source} + ${requests.destination} requests`
  )
}

function reportOf(
  { root, tags }: CopyResult,
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
    nodes,
  }
}

function writeLine(line: string): void {
  stderr.write(`${line}\n`)
}
