import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { progressBars } from '../../src/cli/output/progress-bars.ts'
import { progressLines } from '../../src/cli/output/progress-lines.ts'
import { describeRequest } from '../../src/cli/output/progress.ts'
import { CopyCounter } from '../../src/cli/output/report.ts'
import { formatJson } from '../../src/cli/output/stdout.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import type { CopyEvent } from '../../src/events.ts'

const mebibyte = 1024 * 1024

function descriptor(fill: string, size: number, mediaType = 'application/layer'): Descriptor {
  return { mediaType, digest: `sha256:${fill.repeat(64)}`, size }
}

const large = descriptor('a', 10 * mebibyte)
const small = descriptor('b', 100)

/** A terminal of 80 columns that keeps what is written to it. */
class FakeTerminal extends Writable {
  readonly columns: number
  readonly rows: number
  written = ''

  constructor(columns = 80, rows = 24) {
    super({ decodeStrings: false })
    this.columns = columns
    this.rows = rows
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.written += chunk
    done()
  }

  /** What was written since the last call. */
  take(): string {
    const written = this.written
    this.written = ''
    return written
  }
}

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('progress in lines', () => {
  function heard(...events: readonly CopyEvent[]): string[] {
    const lines: string[] = []
    const progress = progressLines((line) => lines.push(line))
    for (const event of events) progress.hear(event)
    progress.stop()
    return lines
  }

  it('has one line for each event, with a verb, a short digest, a type and a size', () => {
    expect(
      heard(
        { type: 'discovered', descriptor: small },
        { type: 'started', descriptor: small },
        { type: 'progress', descriptor: small, bytes: 100 },
        { type: 'copied', descriptor: small },
        { type: 'mounted', descriptor: large },
        { type: 'skipped', descriptor: small, reason: 'exists' },
        { type: 'skipped', descriptor: small, reason: 'missing-subject' },
        { type: 'filtered', descriptor: small, reason: 'foreign-layer' },
        { type: 'tagged', descriptor: small, reference: 'v1' },
      ),
    ).toEqual([
      'Copying  bbbbbbbbbbbb  application/layer  100 B',
      'Copied   bbbbbbbbbbbb  application/layer  100 B',
      'Mounted  aaaaaaaaaaaa  application/layer  10.0 MiB',
      'Exists   bbbbbbbbbbbb  application/layer  100 B',
      'Skipped  bbbbbbbbbbbb  application/layer  100 B (the source does not have this subject)',
      'Filtered bbbbbbbbbbbb  application/layer  100 B (not to be distributed)',
      'Tagged   v1',
    ])
  })

  it('says what a node has become, and why one is left out', () => {
    expect(
      heard(
        { type: 'copied', descriptor: small, result: large },
        { type: 'mounted', descriptor: small, result: large },
        { type: 'skipped', descriptor: small, result: large, reason: 'exists' },
        { type: 'filtered', descriptor: small, reason: 'filter' },
        { type: 'filtered', descriptor: small, reason: 'modifier' },
        { type: 'filtered', descriptor: small, reason: 'invalidated' },
      ),
    ).toEqual([
      'Copied   bbbbbbbbbbbb  application/layer  100 B => aaaaaaaaaaaa  application/layer  10.0 MiB',
      'Mounted  bbbbbbbbbbbb  application/layer  100 B => aaaaaaaaaaaa  application/layer  10.0 MiB',
      'Exists   bbbbbbbbbbbb  application/layer  100 B => aaaaaaaaaaaa  application/layer  10.0 MiB',
      'Filtered bbbbbbbbbbbb  application/layer  100 B',
      'Filtered bbbbbbbbbbbb  application/layer  100 B (removed)',
      'Filtered bbbbbbbbbbbb  application/layer  100 B (what it refers to has changed)',
    ])
  })

  it('goes on to say how it goes while blobs are made anew, and stops when they are there', () => {
    const lines: string[] = []
    const progress = progressLines((line) => lines.push(line))
    progress.hear({ type: 'progress', descriptor: small, bytes: 10 * mebibyte })
    vi.advanceTimersByTime(10_000)
    progress.hear({ type: 'started', descriptor: large })
    progress.hear({ type: 'copied', descriptor: small, result: large })
    vi.advanceTimersByTime(30_000)
    expect(lines.filter((line) => line.startsWith('Running'))).toEqual([
      'Running  0 transfers, 10.0 MiB so far, 1.0 MiB/s',
    ])
    progress.stop()
  })

  it('shows control characters from outside as escapes', () => {
    const title = { ...small, annotations: { 'org.opencontainers.image.title': 'a\u001b[2J\nb' } }
    const lines = heard(
      { type: 'copied', descriptor: title },
      { type: 'copied', descriptor: descriptor('c', 1, 'x/\u009b31m\u202ey') },
      { type: 'tagged', descriptor: small, reference: 'v\u0007' },
      { type: 'warning', message: 'old\r\u001b]0;new\u0007' },
    )
    expect(lines.join('\n')).not.toMatch(/[^\n\P{C}]/u)
    expect(lines[0]).toContain('a\\u{1b}[2J\\u{a}b')
  })

  it('says every ten seconds how it goes, only while something is on its way', () => {
    const lines: string[] = []
    const progress = progressLines((line) => lines.push(line))
    vi.advanceTimersByTime(30_000)
    expect(lines).toEqual([])
    progress.hear({ type: 'started', descriptor: large })
    progress.hear({ type: 'progress', descriptor: large, bytes: 5 * mebibyte })
    vi.advanceTimersByTime(20_000)
    progress.hear({ type: 'copied', descriptor: large })
    vi.advanceTimersByTime(20_000)
    expect(lines.slice(1, 3)).toEqual([
      'Running  1 transfer, 5.0 MiB so far, 512.0 KiB/s',
      'Running  1 transfer, 5.0 MiB so far, 0 B/s',
    ])
    expect(lines).toHaveLength(4)
    progress.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('progress bars', () => {
  it('draw a line for each large blob and one that sums up, at most ten times a second', () => {
    const terminal = new FakeTerminal()
    const progress = progressBars(terminal)
    for (const node of [large, small]) {
      progress.hear({ type: 'discovered', descriptor: node })
      progress.hear({ type: 'started', descriptor: node })
    }
    for (let part = 0; part < 5; part++) {
      progress.hear({ type: 'progress', descriptor: large, bytes: mebibyte })
    }
    expect(terminal.take()).toBe('')
    vi.advanceTimersByTime(1000)
    const [bar, summary, rest] = stripVTControlCharacters(terminal.take()).split('\n')
    expect(bar).toContain('━━━━━━━━━━──────────  50%    5.0 MiB / 10.0 MiB')
    expect(bar).toContain('aaaaaaaaaaaa')
    expect(summary).toMatch(/^0 of 2 nodes \| 0 copied \| 5\.0 MiB, /)
    expect(rest).toBe('')
    vi.advanceTimersByTime(1000)
    expect(terminal.take()).toBe('')
    progress.stop()
  })

  it('take what was drawn away before they draw again, and at the end', () => {
    const terminal = new FakeTerminal()
    const progress = progressBars(terminal)
    progress.hear({ type: 'started', descriptor: large })
    vi.advanceTimersByTime(100)
    terminal.take()
    progress.hear({ type: 'copied', descriptor: large })
    vi.advanceTimersByTime(100)
    expect(terminal.take().startsWith('\u001b[2A\u001b[1G\u001b[0J1 of ')).toBe(true)
    progress.stop()
    expect(terminal.take()).toBe('\u001b[1A\u001b[1G\u001b[0J')
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([10, 45, 62, 80])('never draw a line that is wider than %d columns', (columns) => {
    const terminal = new FakeTerminal(columns, 5)
    const progress = progressBars(terminal)
    for (const fill of 'abcdef0123') {
      progress.hear({
        type: 'started',
        descriptor: { ...descriptor(fill, 2 ** 40), mediaType: 'x'.repeat(200) },
      })
    }
    vi.advanceTimersByTime(100)
    const lines = stripVTControlCharacters(terminal.take()).split('\n')
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(columns)
    expect(lines.length).toBeLessThanOrEqual(5)
    progress.stop()
  })

  it('leave tags and warnings above the bars, without control characters', () => {
    const terminal = new FakeTerminal()
    const progress = progressBars(terminal)
    progress.hear({ type: 'tagged', descriptor: small, reference: 'v1' })
    progress.hear({ type: 'warning', message: 'gone\u001b[2J' })
    const text = terminal.take()
    expect(text).toContain('Tagged v1\n')
    expect(text).toContain('Warning: gone\\u{1b}[2J\n')
    progress.stop()
  })
})

describe('the counter of a copy', () => {
  it('keeps the last outcome of each node, and counts bytes and requests by side', () => {
    const counter = new CopyCounter()
    const request = { type: 'request', method: 'GET', url: 'x', status: 200, milliseconds: 1 } as const
    counter.hear({ ...request, side: 'source' })
    counter.hear({ ...request, side: 'destination' })
    counter.hear({ ...request, side: 'destination' })
    counter.hear({ type: 'progress', descriptor: small, bytes: 60 })
    counter.hear({ type: 'progress', descriptor: small, bytes: 100 })
    counter.hear({ type: 'skipped', descriptor: small, reason: 'exists' })
    counter.hear({ type: 'copied', descriptor: small })
    counter.hear({ type: 'filtered', descriptor: large, reason: 'foreign-layer' })
    expect(counter.totals).toEqual({
      nodes: { copy: 1, skip: 0, mount: 0, rewrite: 0, filter: 1 },
      bytes: 160,
      requests: { source: 1, destination: 2 },
    })
    expect(counter.nodes).toEqual([
      { ...small, action: 'copy' },
      { ...large, action: 'filter', reason: 'foreign-layer' },
    ])
  })
})

describe('what is printed', () => {
  it('is JSON without anything that could steer a terminal', () => {
    const value = { text: 'a\u0000\u001b\u009b\u202e\u{e0001}\u2028"\n', list: [1] }
    const text = formatJson(value)
    expect(text).not.toMatch(/[^\n\P{C}]|\u2028/u)
    expect(JSON.parse(text)).toEqual(value)
  })

  it('is a request on one line', () => {
    const url = 'https://host/v2/x\u001b[1m'
    expect(
      describeRequest({
        type: 'request',
        side: 'source',
        method: 'GET',
        url,
        status: 200,
        milliseconds: 1.6,
      }),
    ).toBe('source GET https://host/v2/x\\u{1b}[1m 200 2 ms')
  })
})
