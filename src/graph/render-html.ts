import { printable } from '../content/printable.ts'
import type { ContentGraph } from './graph.ts'
import { escapeXml, renderSvg } from './render-svg.ts'

/**
 * The picture of `renderSvg` as a page of its own. It has no script, and forbids its reader's browser to load or run any.
 *
 * Errors: as `renderSvg`.
 */
export function renderHtml(graph: ContentGraph): string {
  const { digest, size, mediaType } = graph.node(graph.graph().root).descriptor
  const name = escapeXml(printable(digest))
  const facts = `${mediaType}, ${size} bytes; ${graph.nodeCount()} nodes, ${graph.edgeCount()} edges`
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width">',
    `<title>${name}</title>`,
    '<style>body{margin:0;font:14px system-ui,sans-serif;color:#0f172a;background:#fff}' +
      'header{position:sticky;left:0;padding:12px 16px}h1{font:600 14px ui-monospace,monospace;margin:0;overflow-wrap:anywhere}' +
      'p{margin:4px 0 0;color:#475569}main{overflow:auto}</style>',
    '</head>',
    '<body>',
    `<header><h1>${name}</h1><p>${escapeXml(printable(facts))}</p></header>`,
    '<main>',
    renderSvg(graph),
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n')
}
