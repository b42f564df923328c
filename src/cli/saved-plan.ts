import { isDeepStrictEqual } from 'node:util'
import { digestOf, type Digest } from '../content/digest.ts'
import type { ExtendedCopyOptions } from '../copy/extended-options.ts'
import type { CopyResult } from '../copy/options.ts'
import type { Plan, PlannedOperation } from '../copy/plan-types.ts'
import type { PlanNames } from '../copy/saved-plan.ts'
import { InvalidReferenceError, OciError } from '../errors.ts'
import type { CopyEnds } from './copy-job.ts'
import type { CpFlags } from './flags.ts'
import { formatAddress, type Address } from './references.ts'
import { usageError } from './usage-error.ts'

/** A plan that was read from a file. */
export interface SavedPlan {
  readonly file: string
  readonly plan: Plan
}

/** The two ends as arguments name them. */
export interface Addresses {
  readonly source: Address
  readonly destination: Address
}

/** The largest file that is read, in bytes: what the library takes. */
const maxFileBytes = 256 * 1024 * 1024

/**
 * The plan that `--plan` names, of a copy between these addresses. The file decides nothing: where is read and written the
 * arguments say, and what is done the flags. Throws a usage error for what is no plan, or one of another copy.
 */
export async function readSavedPlan(file: string, addresses: Addresses, flags: CpFlags): Promise<SavedPlan> {
  const { plan, names } = await parseFile(file)
  const problem = damageIn(plan) ?? differenceOf(plan, names, { addresses, flags })
  if (problem !== undefined) throw usageError(`--plan ${file}: ${problem}`)
  return { file, plan }
}

/** How the ends of a plan are named in its file. */
export function planNames({ source, destination }: Addresses): Required<PlanNames> {
  return { source: formatAddress(source), destination: formatAddress(destination) }
}

/** Which operation flags ask for. */
export function operationOf({ recursive = false }: CpFlags): PlannedOperation {
  return recursive ? 'extendedCopy' : 'copy'
}

/** A plan for a file: it also stands for the flags of which the library knows only the functions that they became. */
export function sealed(plan: Plan, flags: CpFlags): Plan {
  return { ...plan, optionsDigest: digestOfFlags(plan.optionsDigest, flags) }
}

/**
 * Runs a saved plan. Errors: as `runPlan`; INVALID_REFERENCE too where the source has another reference now, if it was to
 * have only one; a usage error for other flags than those of the plan.
 */
export async function runSavedPlan(
  { file, plan }: SavedPlan,
  { from, reference, to }: CopyEnds,
  { options, flags }: { readonly options: ExtendedCopyOptions; readonly flags: CpFlags },
): Promise<CopyResult> {
  const { optionsDigest } = await import('../copy/plan.ts')
  const { runPlan } = await import('../copy/run-plan.ts')
  const ofLibrary = optionsDigest(options)
  if (reference !== plan.reference) {
    throw new InvalidReferenceError(
      `the plan is out of date: the source has ${JSON.stringify(reference)}, and had ${JSON.stringify(plan.reference)}`,
    )
  }
  if (digestOfFlags(ofLibrary, flags) !== plan.optionsDigest) {
    throw usageError(`--plan ${file}: it was made with other flags: give those that its --dry-run was given`)
  }
  return runPlan({ ...plan, optionsDigest: ofLibrary }, from, to, options)
}

function digestOfFlags(ofLibrary: Digest, { platform, artifactType, mountFrom }: CpFlags): Digest {
  return digestOf(Buffer.from(JSON.stringify([ofLibrary, platform, artifactType, mountFrom])))
}

async function parseFile(file: string): Promise<{ readonly plan: Plan; readonly names: PlanNames }> {
  const fs = await import('node:fs/promises')
  const { readSmallFile } = await import('../targets/read-file.ts')
  try {
    const bytes = await readSmallFile(file, maxFileBytes, { fs })
    if (bytes === undefined) throw usageError(`--plan ${file} is no file`)
    const { parsePlan } = await import('../copy/saved-plan.ts')
    return parsePlan(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    // Its message may quote the file, which may be anything.
    if (error instanceof OciError) {
      throw usageError(`--plan ${file}: it is not what cp --dry-run --format json has printed`)
    }
    if (error instanceof Error && 'errno' in error) {
      throw usageError(`--plan cannot be read: ${error.message}`)
    }
    throw error
  }
}

/** Sums are what people look at before they run a plan. */
function damageIn({ nodes, totals }: Plan): string | undefined {
  const counts = { copy: 0, skip: 0, mount: 0, rewrite: 0, filter: 0 }
  for (const { action } of nodes) counts[action] += 1
  const unknown = nodes.filter(({ bytes }) => bytes === undefined).length
  const isWhole = isDeepStrictEqual(counts, totals.nodes) && unknown === totals.unknown
  return isWhole ? undefined : 'its nodes are not those of its totals: it has been changed'
}

function differenceOf(
  plan: Plan,
  names: PlanNames,
  { addresses, flags }: { readonly addresses: Addresses; readonly flags: CpFlags },
): string | undefined {
  const given = planNames(addresses)
  const side = (['source', 'destination'] as const).find((end) => names[end] !== given[end])
  if (side !== undefined) return `its ${side} is ${quoted(names[side])}, and not ${quoted(given[side])}`
  if (plan.operation === operationOf(flags)) return undefined
  if (plan.operation === operationOf({ ...flags, recursive: flags.recursive !== true })) {
    return `it was made ${flags.recursive === true ? 'without' : 'with'} --recursive`
  }
  return `it is of ${plan.operation}, which this command does not do`
}

function quoted(name: string | undefined): string {
  return name === undefined ? 'not named' : JSON.stringify(name.slice(0, 300))
}
