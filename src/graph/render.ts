import type { Descriptor } from '../content/descriptor.ts'
import { formatBytes } from '../content/format-bytes.ts'
import { mediaTypes } from '../content/media-types.ts'
import { formatPlatform } from '../content/platform.ts'
import { printable } from '../content/printable.ts'
import type { ContentGraph, GraphEdge } from './graph.ts'

/**
 * A graph as an indented tree: successors below what refers to them, then the referrers of a manifest. A node that
 * stands further up already is named again without what is under it. Text from outside is made printable.
 * Costs O(nodes + edges) and no call stack.
 */
export function renderTree(graph: ContentGraph): string {
  const { root } = graph.graph()
  const seen = new Set<string>()
  const lines: string[] = []
  const open: Line[] = [{ id: root, title: '', prefix: '', branch: '', isSubject: false }]
  for (let line = open.pop(); line !== undefined; line = open.pop()) {
    const isAgain = seen.has(line.id)
    seen.add(line.id)
    lines.push(
      `${line.prefix}${line.branch}${line.title}${describe(graph, line.id)}${isAgain ? ' (see above)' : ''}`,
    )
    if (!isAgain) for (const next of below(graph, line).reverse()) open.push(next)
  }
  return lines.join('\n')
}

interface Line {
  readonly id: string
  readonly title: string
  /** What stands before the branch: the trunks of the levels above. */
  readonly prefix: string
  readonly branch: '' | '├── ' | '└── '
  /** True below a referrer, which need not show the edge that led to it. */
  readonly isSubject: boolean
}

/** What goes on below a branch. */
const trunks: Readonly<Record<Line['branch'], string>> = { '': '', '├── ': '│   ', '└── ': '    ' }

function below(graph: ContentGraph, { id, prefix, branch, isSubject }: Line): Line[] {
  const trunk = trunks[branch]
  const successors = (graph.outEdges(id) ?? []).flatMap(({ w }) => {
    const edge = graph.edge(id, w)
    return edge.edge === 'subject' && isSubject ? [] : [{ id: w, title: titleOf(edge), isSubject: false }]
  })
  const referrers = (graph.inEdges(id) ?? [])
    .filter(({ v }) => graph.edge(v, id).edge === 'subject')
    .map(({ v }) => ({ id: v, title: 'referrer ', isSubject: true }))
  return [...successors, ...referrers].map((line, index, { length }) => ({
    ...line,
    prefix: prefix + trunk,
    branch: index === length - 1 ? '└── ' : '├── ',
  }))
}

function titleOf({ edge, descriptor: { platform } }: GraphEdge): string {
  if (edge === 'subject') return 'subject '
  return platform === undefined ? '' : `${printable(formatPlatform(platform))} `
}

function describe(graph: ContentGraph, id: string): string {
  const { descriptor, artifactType, isMissing } = graph.node(id)
  const type = artifactType === undefined || isImageConfig(artifactType) ? descriptor.mediaType : artifactType
  const missing = isMissing === true ? ' (not in the source)' : ''
  return `${shortDigest(descriptor)} ${printable(type)} ${formatBytes(descriptor.size)}${missing}`
}

/** The artifact type of an ordinary image is that of its config, which says less than that it is an image. */
function isImageConfig(mediaType: string): boolean {
  return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig
}

function shortDigest({ digest }: Descriptor): string {
  const colon = digest.indexOf(':')
  return digest.slice(0, colon + 13)
}
