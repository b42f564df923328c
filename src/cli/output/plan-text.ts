import { formatBytes } from '../../content/format-bytes.ts'
import { printable } from '../../content/printable.ts'
import type {
  Plan,
  PlannedAction,
  PlannedImage,
  PlannedNode,
  PlannedReason,
  PlanTotals,
} from '../../copy/plan-types.ts'
import type { PlanNames } from '../../copy/saved-plan.ts'
import { describeInvalidated } from './summary.ts'

/** A plan for people: a line for each node, then for each image, then the whole. Printable. */
export function describePlan(plan: Plan, { source, destination }: PlanNames): string {
  const { nodes, images, totals, invalidated, uncertainties } = plan
  const lines = [
    `Plan of ${source} => ${destination}; nothing has been written`,
    '',
    ...nodes.map(describeNode),
    '',
    ...images.map((image) => `${nameOf(image)}: ${describeSums(image)}`),
    `In all: ${describeSums(totals)}`,
    ...describeTags(plan),
    ...invalidated.map((node) => `Invalidated: ${describeInvalidated(node)}`),
    ...uncertainties.map((reason) => `Not certain: ${reason}`),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function describeNode({ digest, mediaType, action, reason, bytes, requests, result }: PlannedNode): string {
  const size = bytes === undefined ? 'bytes not known' : formatBytes(bytes)
  const becomes = result === undefined ? '' : ` => ${short(result)}`
  return `${action.padEnd(8)}${short({ digest })}${becomes} ${mediaType}, ${size}, ${inRequests(requests)}: ${reasons[reason]}`
}

function nameOf({ digest, mediaType, platform = mediaType }: PlannedImage): string {
  return `${platform} ${short({ digest })}`
}

function describeSums({ nodes, bytes, unknown, requests }: PlanTotals): string {
  const counts = actions.flatMap((action) => (nodes[action] > 0 ? [`${nodes[action]} to ${action}`] : []))
  const more = unknown > 0 ? ` and what is made of ${unknown} nodes` : ''
  return [...counts, `${formatBytes(bytes)}${more}`, inRequests(requests)].join(', ')
}

function inRequests({ source, destination }: PlanTotals['requests']): string {
  return `${source} + ${destination} requests`
}

function describeTags({ tags, destinationTags, descriptor }: Plan): readonly string[] {
  const found = new Map(destinationTags.map(({ tag, digest }) => [tag, digest]))
  return tags.map((tag) => {
    const digest = found.get(tag)
    if (digest === undefined) return `Tag ${tag}: new`
    return digest === descriptor?.digest
      ? `Tag ${tag}: stays`
      : `Tag ${tag}: moves, from ${short({ digest })}`
  })
}

function short({ digest }: { readonly digest: string }): string {
  return digest.slice(0, digest.indexOf(':') + 13)
}

const actions: readonly PlannedAction[] = ['copy', 'rewrite', 'mount', 'skip', 'filter']

const reasons: Readonly<Record<PlannedReason, string>> = {
  absent: 'the destination does not have it',
  unasked: 'taken to be absent, as asking costs as much as sending',
  mountable: 'another repository of the registry has it',
  modified: 'changed on the way, or names what is',
  exists: 'the destination has it',
  'tag-current': 'the tags point at it already',
  'same-content': 'the same bytes go over under another media type',
  caller: 'left out',
  'missing-subject': 'the source does not have it',
  'foreign-layer': 'it may not be distributed',
  filter: 'not chosen',
  modifier: 'removed',
  invalidated: 'it is about what is changed',
}
