import { describe, expect, it } from 'vitest'
import { printable } from '../../src/content/printable.ts'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderHtml } from '../../src/graph/render-html.ts'
import { renderSvg } from '../../src/graph/render-svg.ts'
import { drawing, filled } from './drawing.ts'
import { chain, contentGraph, fleet, hostileGraph, hostileTexts, node, planned } from './hand-made.ts'
import { parseXml, type XmlElement } from './parse-xml.ts'

/** What XML cannot have is replaced. */
const shown = (text: string): string => printable(text).replace(/[\uFFFE\uFFFF]/g, '\uFFFD')

const named = (elements: readonly XmlElement[], name: string): readonly XmlElement[] =>
  elements.filter((element) => element.name === name)

/** Boxes of nodes, not the ground and the legend. */
const boxesIn = (elements: readonly XmlElement[]): readonly XmlElement[] =>
  named(elements, 'rect').filter(({ attributes }) => attributes['rx'] !== undefined)

function numbers({ attributes }: XmlElement, ...names: readonly string[]): readonly number[] {
  return names.map((name) => Number(attributes[name]))
}

describe('renderSvg', () => {
  it('draws a box for each node, within the picture and apart, and an arrow for each edge', async () => {
    const built = await buildGraph(await filled(), drawing.descriptor('index'))
    const elements = parseXml(renderSvg(built))
    const [width = 0, height = 0] = numbers(elements.at(-1) ?? fail(), 'width', 'height')
    const boxes = boxesIn(elements).map((box) => numbers(box, 'x', 'y', 'width', 'height'))
    expect(boxes).toHaveLength(built.nodeCount())
    for (const [at, [x = NaN, y = NaN, w = NaN, h = NaN]] of boxes.entries()) {
      expect(Math.min(x, y, width - x - w, height - y - h)).toBeGreaterThanOrEqual(0)
      for (const [left = NaN, top = NaN, otherWidth = NaN, otherHeight = NaN] of boxes.slice(at + 1)) {
        const isApart = x + w <= left || left + otherWidth <= x || y + h <= top || top + otherHeight <= y
        expect(isApart).toBe(true)
      }
    }
    const arrows = named(elements, 'path').filter(({ attributes }) => attributes['marker-end'] !== undefined)
    expect(arrows).toHaveLength(built.edgeCount())
    const dashed = arrows.filter(({ attributes }) => attributes['stroke-dasharray'] !== undefined)
    expect(dashed).toHaveLength(2)
    expect(named(elements, 'title').map(({ text }) => text)).toContain(
      `${drawing.descriptor('m1').digest} ${drawing.descriptor('m1').mediaType}`,
    )
    expect(named(elements, 'text').map(({ text }) => text)).toContain('linux/arm64/v8')
  })

  it('is well-formed with hostile text, which it shows as it came, but for what cannot be printed', () => {
    const texts = new Set(named(parseXml(renderSvg(hostileGraph())), 'text').map(({ text }) => text))
    for (const text of hostileTexts) {
      expect(texts).toContain(shown(text))
      expect(texts).toContain(`[${shown(text)}]`)
    }
  })

  it('has no element and no attribute that runs or loads anything', () => {
    const elements = parseXml(renderSvg(hostileGraph()))
    const names = new Set(elements.map(({ name }) => name))
    expect([...names].toSorted()).toEqual(['defs', 'g', 'marker', 'path', 'rect', 'svg', 'text', 'title'])
    const attributes = new Set(elements.flatMap((element) => Object.keys(element.attributes)))
    expect([...attributes].filter((name) => /^on|href|src|style/i.test(name))).toEqual([])
  })

  it('shows the states of a plan by text, by colour and in the legend', () => {
    const elements = parseXml(renderSvg(planned))
    const texts = named(elements, 'text').map(({ text }) => text)
    expect(texts).toEqual(expect.arrayContaining(['(copy)', '(skip)', '(mount)', '(rewrite)', '(filtered)']))
    expect(texts.slice(-5)).toEqual(['copy', 'skip', 'mount', 'rewrite', 'filtered'])
    expect(new Set(boxesIn(elements).map(({ attributes }) => attributes['fill'])).size).toBe(5)
  })

  it('is the same each time', () => {
    expect(renderSvg(fleet(200))).toBe(renderSvg(fleet(200)))
  })

  it('draws 1,000 nodes in a chain or under one, and says what to use above that', () => {
    expect(boxesIn(parseXml(renderSvg(chain(1000))))).toHaveLength(1000)
    const referrers = contentGraph(
      Array.from({ length: 1000 }, (_, at) => node(`${at}`)),
      Array.from({ length: 999 }, (_, at) => [at + 1, 0, 'subject'] as const),
    )
    expect(boxesIn(parseXml(renderSvg(referrers)))).toHaveLength(1000)
    for (const large of [chain(1001), fleet(10_000)]) {
      expect(() => renderSvg(large)).toThrow(
        expect.objectContaining({
          code: 'SIZE_EXCEEDS_LIMIT',
          message: expect.stringMatching(/at most 1000 nodes.*tree.*DOT/),
        }),
      )
    }
  })

  it('refuses what would take hours: few nodes, with edges across many levels', () => {
    const length = 32
    const every = Array.from({ length }, (_, from) =>
      Array.from({ length: length - from - 1 }, (_unused, step) => [from, from + step + 1] as const),
    )
    const dense = contentGraph(
      Array.from({ length }, (_, at) => node(`${at}`)),
      every.flat(),
    )
    expect(() => renderSvg(dense)).toThrow(expect.objectContaining({ code: 'SIZE_EXCEEDS_LIMIT' }))
  })

  it('refuses a cycle', () => {
    const circle = contentGraph(
      [node('a'), node('b')],
      [
        [0, 1],
        [1, 0],
      ],
    )
    expect(() => renderSvg(circle)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })
})

describe('renderHtml', () => {
  it('is the picture in a page that loads and runs nothing', () => {
    const hostile = hostileGraph()
    const page = renderHtml(hostile)
    const [before = '', picture = '', after = ''] = page.split(/<main>|<\/main>/)
    expect(picture.trim()).toBe(renderSvg(hostile).trim())
    expect(page).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    )
    expect(before + after).not.toMatch(/<script|\bsrc=|href=|url\(|@import|\bon\w+=/i)
    const digest = hostile.node('n0').descriptor.digest
    expect(before).toContain(`<h1>${digest}</h1>`)
  })

  it('lets no text of the root out of the header', () => {
    for (const text of hostileTexts) {
      const page = renderHtml(contentGraph([node('a', {}, { mediaType: text })]))
      const header = /<header>.*<\/header>/.exec(page)?.[0] ?? ''
      const [, facts] = parseXml(header)
      expect(facts).toEqual({
        name: 'p',
        attributes: {},
        text: `${shown(text)}, 100 bytes; 1 nodes, 0 edges`,
      })
    }
  })
})

function fail(): never {
  throw new RangeError('no elements')
}
