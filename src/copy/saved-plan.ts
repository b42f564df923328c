import { z } from 'zod'
import type { Descriptor } from '../content/descriptor.ts'
import { isDigest } from '../content/digest.ts'
import { parseStrictJson } from '../content/strict-json.ts'
import { InvalidManifestError } from '../errors.ts'
import type { Plan, PlannedImage, PlannedNode, PlanTotals } from './plan-types.ts'

/** The largest plan that is read, in bytes: room for some hundred thousand nodes. */
const maxPlanBytes = 256 * 1024 * 1024

/** How the two ends of a saved plan are named, for people and for who opens the targets again. */
export interface PlanNames {
  readonly source?: string | undefined
  readonly destination?: string | undefined
}

/** A plan as JSON, in the form of the report of a copy with `dryRun: true`. */
export function serializePlan(plan: Plan, names: PlanNames = {}): string {
  const { source, destination } = names
  const { schemaVersion, dryRun, ...rest } = plan
  return `${JSON.stringify({ schemaVersion, dryRun, source, destination, ...rest }, undefined, 2)}\n`
}

/** The plan and the names that `serializePlan` was given. Error: INVALID_MANIFEST for what is no plan; SIZE_EXCEEDS_LIMIT. */
export function parsePlan(text: string): { readonly plan: Plan; readonly names: PlanNames } {
  const bytes = Buffer.from(text)
  const value = parseStrictJson(bytes, { maxBytes: maxPlanBytes, maxValues: maxPlanBytes })
  const parsed = savedPlan.safeParse(value)
  if (!parsed.success) {
    throw new InvalidManifestError(`this is no plan of a copy: ${z.prettifyError(parsed.error)}`, {
      cause: parsed.error,
    })
  }
  const { source, destination, ...plan } = parsed.data
  return { plan, names: { source, destination } }
}

const digest = z.string().refine(isDigest, 'it is no digest')
const count = z.int().nonnegative()
const requests = z.object({ source: count, destination: count })

const descriptor: z.ZodType<Descriptor> = z.object({ mediaType: z.string(), digest, size: count })

const totals = z.object({
  nodes: z.object({ copy: count, skip: count, mount: count, rewrite: count, filter: count }),
  bytes: count,
  unknown: count,
  requests,
}) satisfies z.ZodType<PlanTotals>

const image: z.ZodType<PlannedImage> = totals.extend({
  digest,
  mediaType: z.string(),
  platform: z.string().optional(),
})

const node: z.ZodType<PlannedNode> = z.object({
  digest,
  mediaType: z.string(),
  size: count,
  action: z.enum(['copy', 'skip', 'mount', 'rewrite', 'filter']),
  reason: z.enum([
    'exists',
    'tag-current',
    'same-content',
    'caller',
    'missing-subject',
    'foreign-layer',
    'filter',
    'modifier',
    'invalidated',
    'absent',
    'unasked',
    'mountable',
    'modified',
  ]),
  bytes: count.optional(),
  requests,
  result: descriptor.optional(),
})

const invalidated = z
  .object({
    descriptor,
    artifactType: z.string().optional(),
    subject: descriptor,
    disposition: z.enum(['drop', 'keep', 'repoint']),
    reason: z.string(),
  })
  // JSON leaves out what is undefined.
  .transform(({ artifactType, ...rest }) => ({ ...rest, artifactType }))

const savedPlan: z.ZodType<Plan & PlanNames> = z.object({
  schemaVersion: z.literal(1),
  dryRun: z.literal(true),
  source: z.string().optional(),
  destination: z.string().optional(),
  operation: z.enum(['copy', 'copyGraph', 'extendedCopy', 'extendedCopyGraph']),
  reference: z.string(),
  root: descriptor,
  descriptor: descriptor.optional(),
  tags: z.array(z.string()),
  destinationTags: z.array(z.object({ tag: z.string(), digest: digest.optional() })),
  optionsDigest: digest,
  totals,
  images: z.array(image),
  nodes: z.array(node),
  invalidated: z.array(invalidated),
  uncertainties: z.array(z.string()),
})
