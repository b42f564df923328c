import type { Annotations } from '../../content/annotations.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { FoundReferrer } from '../../graph/find-referrers.ts'
import type { DiscoverFlags } from '../flags.ts'
import { formatJson, writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { formatPlace, parseSource, type Place } from '../references.ts'
import { resolveAddress } from '../resolve-address.ts'
import { runOnTarget } from '../run-on-target.ts'

/** `copygraph discover`: prints the referrers of a reference. */
export async function discover(
  text: string,
  flags: DiscoverFlags,
  { signal }: CommandContext,
): Promise<number> {
  const address = parseSource(text, { isLayout: flags.ociLayout })
  const { platform, artifactType, depth, format, template } = flags
  const { place } = address
  return runOnTarget({ ...address, operation: 'list' }, flags, signal, async (target, options) => {
    const descriptor = await resolveAddress(target, address, { ...options, platform })
    const { findReferrers } = await import('../../graph/find-referrers.ts')
    const referrers = await findReferrers(target, descriptor, { ...options, artifactType, depth })
    if (template !== undefined) await writeData(linesOf(referrers, place, template))
    else if (format === 'json') await writeData(formatJson(reportOf({ descriptor, referrers }, place)))
    else {
      const { renderReferrers } = await import('../../graph/render-referrers.ts')
      await writeData(`${renderReferrers(referenceOf(descriptor, place), referrers)}\n`)
    }
    return { descriptor }
  })
}

/** As `oras discover --format json` has it. */
interface DiscoverReport {
  readonly reference: string
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType?: string | undefined
  readonly annotations?: Annotations | undefined
  readonly referrers: readonly DiscoverReport[]
}

/** Recursive, as JSON.stringify is: a chain of referrers has a thousand levels at most. */
function reportOf({ descriptor, referrers }: FoundReferrer, place: Place): DiscoverReport {
  const { mediaType, digest, size, artifactType, annotations } = descriptor
  return {
    reference: referenceOf(descriptor, place),
    mediaType,
    digest,
    size,
    artifactType,
    annotations,
    referrers: referrers.map((referrer) => reportOf(referrer, place)),
  }
}

function linesOf(
  referrers: readonly FoundReferrer[],
  place: Place,
  template: NonNullable<DiscoverFlags['template']>,
): string {
  const lines: string[] = []
  const open = referrers.toReversed()
  for (let found = open.pop(); found !== undefined; found = open.pop()) {
    const { descriptor } = found
    lines.push(`${template({ descriptor, reference: referenceOf(descriptor, place) })}\n`)
    open.push(...found.referrers.toReversed())
  }
  return lines.join('')
}

function referenceOf({ digest }: Descriptor, place: Place): string {
  return `${formatPlace(place)}@${digest}`
}
