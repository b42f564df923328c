import { env, stderr } from 'node:process'
import type { ExtendedCopyOptions, ExtendedCopyResult } from '../../copy/extended-options.ts'
import type { CopyOptions, CopyResult } from '../../copy/options.ts'
import type { Plan } from '../../copy/plan-types.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { CopyEvent } from '../../events.ts'
import { flagsOfSide, secretWarnings, readConnection } from '../connection.ts'
import type { CpFlags } from '../flags.ts'
import { audited, auditedPlace, type AuditLog } from '../audit-log.ts'
import { CopyAudit } from '../copy-audit.ts'
import { checkRoot, readChoices } from '../copy-choices.ts'
import { copyOptions, openEnds, type CopyEnds, type CopyJob } from '../copy-job.ts'
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
import { refusePlanContradictions } from '../plan-flags.ts'
import {
  formatAddress,
  formatPlace,
  parseDestination,
  parseSource,
  referenceIn,
  type Address,
} from '../references.ts'
import { readSavedPlan, runSavedPlan, type SavedPlan } from '../saved-plan.ts'
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
  refusePlanContradictions(flags)
  const choices = await readChoices(flags)
  const plan =
    flags.plan === undefined ? undefined : await readSavedPlan(flags.plan, { source, destination }, flags)
  const parties = {
    source: partyOf(source, flags, 'source'),
    destination: partyOf(destination, flags, 'destination'),
  }
  const { debug, auditLog } = flags
  const isPlanned = plan !== undefined
  return runCommand({ signal, debug, auditLog, isPlanned, ...parties }, async (log) => {
    const connections = await readConnections(flags, signal)
    const targets = new Targets()
    const options = { signal, mountFrom }
    const job = { source, destination, targets, connections, flags, choices, options }
    try {
      await (flags.dryRun === true ? recordedDryRun(job, log) : recordedCopy(job, log, plan))
    } finally {
      await targets.close()
    }
  })
}

/** Nothing is copied: the source is read. */
async function recordedDryRun(job: CopyJob, log: AuditLog | undefined): Promise<void> {
  const { source, options } = job
  const target = auditedPlace(source.place)
  const { dryRun } = await import('../dry-run.ts')
  const found = ({ root }: Plan): { readonly descriptor: Descriptor } => ({ descriptor: root })
  const { signal } = options
  await audited(log, { operation: 'read', target, reference: referenceIn(source) }, { signal, found }, () =>
    dryRun(job),
  )
}

async function recordedCopy(
  job: CopyJob,
  log: AuditLog | undefined,
  plan: SavedPlan | undefined,
): Promise<void> {
  const { source, destination, options } = job
  const places = { source: auditedPlace(source.place), destination: auditedPlace(destination.place) }
  const audit = log && new CopyAudit(log, places)
  try {
    await copyBetween(job, audit, plan)
  } catch (error) {
    audit?.failed(error, options.signal)
    throw error
  }
}

async function copyBetween(
  job: CopyJob,
  audit: CopyAudit | undefined,
  plan: SavedPlan | undefined,
): Promise<void> {
  const { source, destination, flags } = job
  const ends = await openEnds(job)
  audit?.begin(ends.reference)
  const counter = new CopyCounter()
  const progress = chooseProgress(flags)
  const isNew = newWarnings()
  const onEvent = (event: CopyEvent): void => {
    counter.hear(event)
    audit?.hear(event)
    if (flags.debug === true && (event.type === 'request' || progress === undefined)) writeTrace(event)
    if (isNew(event)) progress?.hear(event)
  }
  const options = {
    ...copyOptions(job, ends.reference, onEvent),
    mapRoot: watchRoot(job, audit, onEvent),
  }
  const started = performance.now()
  const running =
    plan === undefined ? copyAll(ends, options, flags) : runSavedPlan(plan, ends, { options, flags })
  const result: Result = await running.finally(() => progress?.stop())
  audit?.done(result.root)
  if (flags.quiet !== true) {
    result.invalidated.map(describeInvalidated).forEach(writeWarning)
    const between = `${formatAddress(source)} => ${formatAddress(destination)}`
    writeLine(`${between}: ${describeTotals(counter.totals, performance.now() - started)}`)
  }
  const name = `${formatPlace(destination.place)}@${result.root.digest}\n`
  const isJson = flags.format === 'json'
  await writeData(isJson ? formatJson(reportOf(result, counter, source, destination)) : name)
}

/** A `mapRoot` that keeps the root, and has it looked at where that is needed. */
function watchRoot(
  { choices, flags }: CopyJob,
  audit: CopyAudit | undefined,
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

async function copyAll(
  { from, reference, to }: CopyEnds,
  options: ExtendedCopyOptions,
  flags: CpFlags,
): Promise<Result> {
  if (flags.recursive === true) {
    const { extendedCopy } = await import('../../copy/extended-copy.ts')
    return extendedCopy(from, reference, to, options)
  }
  const { copy } = await import('../../copy/copy.ts')
  return copy(from, reference, to, options)
}

async function readConnections(flags: CpFlags, signal: AbortSignal): Promise<CopyJob['connections']> {
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
