import { describe, expect, it } from 'vitest'
import { guardRails, renderGuardRail, renderTable, type GuardRail } from '../../bench/report.ts'
import type { Entry, Sample, WorkloadResult } from '../../bench/rounds.ts'
import { workloads } from '../../bench/workloads.ts'

/** Samples of so many milliseconds each. */
function entry(contestant: string, walls: readonly number[], more: Partial<Sample> = {}): Entry {
  const samples = walls.map((milliseconds) => ({
    milliseconds,
    sourceRequests: 3,
    destinationRequests: 4,
    ...more,
  }))
  return { contestant, samples }
}

function result(entries: readonly Entry[], wallLimit?: number): WorkloadResult {
  const workload = {
    name: 'big registry-layout',
    title: 'a blob',
    image: { name: 'big', layers: 1, layerBytes: 1 },
    from: 'registry',
    to: 'layout',
    isThere: false,
    ...(wallLimit !== undefined && { wallLimit }),
  } as const
  return { workload, entries }
}

/** The cells of each contestant's row. */
function rows(of: WorkloadResult): Record<string, string[]> {
  const lines = renderTable(of).split('\n').slice(4)
  const cells = lines.filter((line) => line.startsWith('| ')).map((line) => line.slice(2, -2).split(' | '))
  return Object.fromEntries(cells.map(([name = '', ...rest]) => [name, rest]))
}

describe('the table of a workload', () => {
  it('has medians with their spread, and ratios to the peer with the least wall time', () => {
    const mebibytes = (count: number) => ({ peakBytes: count * 1024 * 1024, cpuMilliseconds: count * 10 })
    const entries = [
      entry('copygraph', [300, 100, 110], mebibytes(50)),
      entry('slow', [400, 500], mebibytes(10)),
      entry('fast', [200, 230, 210, 1000], mebibytes(100)),
    ]
    expect(rows(result(entries))).toEqual({
      copygraph: ['3', '110 (100–300)', '0.50', '500 (500–500)', '0.50', '50 (50–50)', '0.50', '3 + 4'],
      slow: ['2', '450 (400–500)', '2.05', '100 (100–100)', '0.10', '10 (10–10)', '0.10', '3 + 4'],
      fast: ['4', '220 (200–1000)', '1.00', '1000 (1000–1000)', '1.00', '100 (100–100)', '1.00', '3 + 4'],
    })
  })

  it('gives no ratio to itself alone, nor to CPU time that cannot be measured so finely', () => {
    const alone = rows(result([entry('copygraph', [100])]))
    expect(alone['copygraph']).toEqual(['1', '100 (100–100)', '–', '–', '–', '–', '–', '3 + 4'])
    const figures = { cpuMilliseconds: 50, peakBytes: 1024 * 1024 }
    const entries = [entry('copygraph', [100], figures), entry('peer', [100], figures)]
    expect(rows(result(entries))['copygraph']?.slice(3, 5)).toEqual(['50 (50–50)', '–'])
  })

  it('says who failed, and why', () => {
    const never: Entry = { contestant: 'never', samples: [], failure: 'exit code 1' }
    const later: Entry = { ...entry('later', [100]), failure: 'out of disk' }
    const table = result([never, later])
    expect(rows(table)['never']?.[0]).toBe('failed')
    expect(rows(table)['later']?.[0]).toBe('1, then failed')
    expect(renderTable(table)).toContain('never failed: exit code 1')
    expect(renderTable(table)).toContain('later failed: out of disk')
  })
})

describe('the guard rails', () => {
  const requests = (count: number) => ({ sourceRequests: count, destinationRequests: 0 })

  it('hold our median wall time against the fastest peer, and our requests against the fewest', () => {
    const entries = [
      entry('copygraph', [90, 150, 100], requests(5)),
      entry('fast', [50, 49, 500], requests(9)),
      entry('sparing', [1000], requests(4)),
      { contestant: 'broken', samples: [], failure: 'exit code 1' },
    ]
    expect(guardRails(result(entries, 1.5))).toEqual([
      { workload: 'big registry-layout', what: 'wall time', limit: 1.5, found: 2 },
      { workload: 'big registry-layout', what: 'requests', limit: 4, found: 5 },
    ])
  })

  it('have no wall time where the workload has no limit', () => {
    const entries = [entry('copygraph', [100]), entry('peer', [1])]
    expect(guardRails(result(entries)).map(({ what }) => what)).toEqual(['requests'])
  })

  it.each([
    ['we are missing', [entry('peer', [1])]],
    ['all of ours failed', [{ contestant: 'copygraph', samples: [], failure: 'x' }, entry('peer', [1])]],
    ['all peers are missing', [entry('copygraph', [1])]],
  ])('are none where %s', (_, entries) => {
    expect(guardRails(result(entries, 1))).toEqual([])
  })

  it.each<[Omit<GuardRail, 'workload'>, string]>([
    [{ what: 'wall time', limit: 1.5, found: 1.5 }, 'w, wall time: 1.50, at most 1.50: met'],
    [{ what: 'wall time', limit: 1.5, found: 1.8 }, 'w, wall time: 1.80, at most 1.50: MISSED by 20 %'],
    [{ what: 'requests', limit: 7, found: 7 }, 'w, requests: 7, at most 7: met'],
    [{ what: 'requests', limit: 7, found: 9 }, 'w, requests: 9, at most 7: MISSED by 2'],
  ])('are one line each: %j', (rail, line) => {
    expect(renderGuardRail({ workload: 'w', ...rail })).toBe(`- ${line}`)
  })
})

it('a workload has one name, and its data shrinks with the scale', () => {
  const names = workloads().map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  const bytes = (scale: number) =>
    workloads(scale).map(({ image }) => Math.round((image.layers * image.layerBytes) / 1024))
  expect(bytes(0.5)).toEqual(bytes(1).map((full) => full / 2))
})
