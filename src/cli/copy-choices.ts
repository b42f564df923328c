import { parsePlatform } from '../content/platform.ts'
import type { ExtendedCopyOptions } from '../copy/extended-options.ts'
import type { PlatformPattern } from '../copy/filters.ts'
import type { RootState } from '../copy/options.ts'
import type { Descriptor } from '../content/descriptor.ts'
import type { CpFlags } from './flags.ts'
import type { CopyFlags } from './copy-flags.ts'
import { usageError } from './usage-error.ts'

/** What of a graph is copied, and what becomes of it. */
export interface CopyChoices {
  readonly options: ExtendedCopyOptions
  /** Those of an index to which it is narrowed down. */
  readonly platforms: readonly PlatformPattern[]
}

/** What the flags say of the graph. What it needs of the library is loaded only if it is asked for. Throws a usage error. */
export async function readChoices(flags: CpFlags): Promise<CopyChoices> {
  refuseContradictions(flags)
  const platforms = await patternsOf(flags)
  const [platform] = flags.platform ?? []
  return {
    platforms,
    options: {
      verify: flags.verify,
      platform: platform === undefined || isNarrowed(flags) ? undefined : parsePlatform(platform),
      filter: await filterOf(flags, platforms),
      modifiers: isModifying(flags) ? (await import('./copy-modifiers.ts')).modifiersOf(flags) : undefined,
      invalidated: flags.onInvalidated,
      referrers: flags.referrers,
      depth: flags.depth,
      digestTags: flags.digestTags,
      requiredReferrers: flags.requireReferrer,
      ascentFilter: await ascentFilterOf(flags),
    },
  }
}

/** A `mapRoot` that keeps the root: a filter of platforms looks at entries of indexes, and would keep all of anything else. */
export function checkRoot(
  { platforms }: CopyChoices,
  warn: (message: string) => void,
): ((state: RootState) => Promise<Descriptor>) | undefined {
  if (platforms.length === 0) return undefined
  return async ({ root, source }) => {
    const { expectPlatform } = await import('../copy/expect-platform.ts')
    await expectPlatform(source, root, { wanted: platforms, warn })
    return root
  }
}

/** Whether platforms are chosen by narrowing an index down to them. */
function isNarrowed({ platform = [], keepIndex = false }: CopyFlags): boolean {
  return keepIndex || platform.length > 1 || platform.some((name) => name.includes('*'))
}

async function patternsOf(flags: CopyFlags): Promise<readonly PlatformPattern[]> {
  const { platform = [] } = flags
  if (platform.length === 0 || !isNarrowed(flags)) return []
  const { parsePlatformPattern } = await import('../copy/filters.ts')
  return platform.map(parsePlatformPattern)
}

async function filterOf(
  { sparse = false }: CopyFlags,
  platforms: readonly PlatformPattern[],
): Promise<ExtendedCopyOptions['filter']> {
  if (platforms.length === 0) return undefined
  const { isForPlatform } = await import('../copy/filters.ts')
  return { keep: isForPlatform(...platforms), parents: sparse ? 'sparse' : 'rewrite' }
}

async function ascentFilterOf({
  artifactType = [],
}: CopyFlags): Promise<ExtendedCopyOptions['ascentFilter']> {
  if (artifactType.length === 0) return undefined
  const { anyOf, hasArtifactType } = await import('../copy/filters.ts')
  return anyOf(...artifactType.map((type) => hasArtifactType(type)))
}

function isModifying(flags: CopyFlags): boolean {
  const { stripAttestations, toOci, toDocker, compress, created, annotation, annotationRemove } = flags
  const choices = [stripAttestations, toOci, toDocker, compress, created, annotation, annotationRemove]
  return choices.some((choice) => choice !== undefined) || flags.recordOriginalDigest === true
}

function refuseContradictions(flags: CopyFlags): void {
  const wrong =
    lackOfRecursion(flags) ??
    contradictionInReferrers(flags) ??
    contradictionInPlatforms(flags) ??
    contradictionInModifiers(flags)
  if (wrong !== undefined) throw usageError(wrong)
}

function lackOfRecursion(flags: CopyFlags): string | undefined {
  if (flags.recursive === true) return undefined
  const { referrers, depth, digestTags, requireReferrer, artifactType } = flags
  const given = Object.entries({
    '--referrers': referrers,
    '--depth': depth,
    '--digest-tags': digestTags,
    '--require-referrer': requireReferrer,
    '--artifact-type': artifactType,
  }).find(([, value]) => value !== undefined)
  return given && `${given[0]} is about what refers to a node, which comes along only with --recursive`
}

function contradictionInReferrers({
  requireReferrer = [],
  artifactType,
  referrers,
}: CopyFlags): string | undefined {
  if (requireReferrer.length > 0 && referrers === 'none') {
    return '--require-referrer looks for what --referrers none leaves out: leave out one of them'
  }
  const unwanted = requireReferrer.find((type) => artifactType?.includes(type) === false)
  if (unwanted === undefined) return undefined
  return `--require-referrer ${unwanted} is left out by --artifact-type: add --artifact-type ${unwanted}`
}

function contradictionInPlatforms(flags: CopyFlags): string | undefined {
  const { platform = [], keepIndex = false, sparse = false } = flags
  if (keepIndex && platform.length === 0) return '--keep-index says something of --platform, which is missing'
  if (sparse && !(platform.length > 0 && isNarrowed(flags))) {
    return '--sparse is about an index of which some platforms are taken: add --platform with several, or with --keep-index'
  }
  return undefined
}

function contradictionInModifiers(flags: CopyFlags): string | undefined {
  const { toOci = false, toDocker = false, compress, annotation, annotationRemove = [] } = flags
  if (toOci && toDocker) return '--to-oci and --to-docker exclude each other: give one of them'
  if (toDocker && compress?.to === 'zstd')
    return "--compress zstd with --to-docker: Docker's media types have no zstd"
  const both = annotationRemove.find((name) => annotation?.has(name) === true)
  if (both !== undefined) return `--annotation and --annotation-remove both name ${both}: give one of them`
  return lackOfChange(flags)
}

function lackOfChange(flags: CopyFlags): string | undefined {
  const { recordOriginalDigest, onInvalidated, sparse = false } = flags
  const isChanging =
    isModifying({ ...flags, recordOriginalDigest: undefined }) || (isNarrowed(flags) && !sparse)
  if (isChanging) return undefined
  if (recordOriginalDigest === true) return '--record-original-digest without a flag that changes something'
  if (onInvalidated !== undefined) return '--on-invalidated without a flag that changes something'
  return undefined
}
