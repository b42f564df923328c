import type { ContentGraph } from './graph.ts'
import { fillOf, kindFills, labelGraph, stateFills, type LabelledGraph } from './label.ts'
import { fontSize, layOut, lineHeight, padding, type Arrow, type Box } from './picture.ts'

/**
 * A graph as an SVG picture from left to right: nodes coloured by kind, or by state where they have one, subjects as dashed
 * arrows. It needs nothing from elsewhere and runs no script; text from outside is printable, and never markup.
 *
 * Errors: SIZE_EXCEEDS_LIMIT above 1,000 nodes, or for too many long edges; UNSUPPORTED for a graph with a cycle.
 */
export function renderSvg(graph: ContentGraph): string {
  const labelled = labelGraph(graph)
  const { width, height, boxes, arrows } = layOut(labelled)
  const legend = legendOf(labelled)
  const fullWidth = Math.ceil(Math.max(width, legend.length * legendStep + padding))
  const fullHeight = Math.ceil(height) + lineHeight + padding
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${fullWidth}" height="${fullHeight}" viewBox="0 0 ${fullWidth} ${fullHeight}" font-family="ui-monospace, monospace" font-size="${fontSize}" fill="#0f172a">`,
    arrowHead,
    `<rect width="${fullWidth}" height="${fullHeight}" fill="#ffffff"/>`,
    ...arrows.map(drawArrow),
    ...boxes.map(drawBox),
    ...legend.map(([name, fill], at) => drawLegend(name, fill, at, fullHeight)),
    '</svg>',
    '',
  ].join('\n')
}

/** Text as content of an element or value of an attribute. What is printable has but two characters that XML cannot have. */
export function escapeXml(text: string): string {
  const whole = text.replace(/[\uFFFE\uFFFF]/g, '\uFFFD')
  return whole.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

const arrowHead =
  '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">' +
  '<path d="M0 0L8 4L0 8z" fill="#475569"/></marker></defs>'

function drawArrow({ edge, points }: Arrow): string {
  const path = points.map(({ x, y }, at) => {
    const before = points[at - 1]
    if (before === undefined) return `${round(x)} ${round(y)}`
    // Level at both ends, so that the parts of a long arrow are one line.
    const middle = round((before.x + x) / 2)
    return `C${middle} ${round(before.y)} ${middle} ${round(y)} ${round(x)} ${round(y)}`
  })
  const dashes = edge.edge === 'subject' ? ' stroke-dasharray="5 3"' : ''
  return `<path d="M${path.join('')}" fill="none" stroke="#475569"${dashes} marker-end="url(#arrow)"/>`
}

function drawBox({ node, x, y, width, height }: Box): string {
  const left = x - width / 2
  const top = y - height / 2
  const dashes = node.isMissing ? ' stroke-dasharray="4 3"' : ''
  const lines = node.lines.map(
    (line, at) =>
      `<text x="${round(left + padding)}" y="${round(top + padding + fontSize + at * lineHeight)}" xml:space="preserve">${escapeXml(line)}</text>`,
  )
  return [
    `<g><title>${escapeXml(node.title)}</title>`,
    `<rect x="${round(left)}" y="${round(top)}" width="${round(width)}" height="${round(height)}" rx="6" fill="${fillOf(node)}" stroke="#475569" stroke-width="${node.isRoot ? 2.5 : 1}"${dashes}/>`,
    ...lines,
    '</g>',
  ].join('')
}

const legendStep = 96

/** The kinds and states that are in the picture. */
function legendOf({ nodes }: LabelledGraph): readonly (readonly [name: string, fill: string])[] {
  const shown = new Set<string>(nodes.map(({ kind, state }) => state ?? kind))
  return [...Object.entries(kindFills), ...Object.entries(stateFills)].filter(([name]) => shown.has(name))
}

function drawLegend(name: string, fill: string, at: number, height: number): string {
  const left = at * legendStep + padding
  const top = height - lineHeight - padding / 2
  return (
    `<rect x="${left}" y="${top}" width="12" height="12" fill="${fill}" stroke="#475569"/>` +
    `<text x="${left + 18}" y="${top + 10}">${name}</text>`
  )
}

function round(length: number): number {
  return Math.round(length * 10) / 10
}
