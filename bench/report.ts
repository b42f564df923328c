import { ours } from './contestants.ts'
import type { Entry, Sample, WorkloadResult } from './rounds.ts'

/** Whether we keep to a limit that this project sets itself. */
export interface GuardRail {
  readonly workload: string
  readonly what: 'wall time' | 'requests'
  /** For wall time a ratio to the fastest peer, for requests a number. */
  readonly limit: number
  readonly found: number
}

/** GNU time counts CPU in steps of 10 ms: a ratio to less than this would say nothing. */
const leastCpuMilliseconds = 50

/** The table of one workload, in Markdown. Ratios are to the peer with the least wall time. */
export function renderTable({ workload, entries }: WorkloadResult): string {
  const peer = fastestPeer(entries)
  const rows = entries.map((entry) => row(entry, peer))
  const head = ['', 'runs', 'wall ms', '', 'CPU ms', '', 'memory MiB', '', 'requests']
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  const lines = [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  const failures = entries.flatMap(({ contestant, failure }) =>
    failure === undefined ? [] : ['', `${contestant} failed: ${failure}`],
  )
  return [`### ${workload.title} (\`${workload.name}\`)`, '', ...lines, ...failures].join('\n')
}

/** The limits that a workload has, with what we made of them; none where we or all peers are missing. */
export function guardRails({ workload, entries }: WorkloadResult): readonly GuardRail[] {
  const our = entries.find((entry) => entry.contestant === ours && entry.samples.length > 0)
  const peers = peersOf(entries)
  const fastest = fastestPeer(entries)
  if (our === undefined || fastest === undefined) return []
  const leastRequests = Math.min(...peers.map((entry) => median(entry, requestsOf)))
  const found = median(our, wallOf) / median(fastest, wallOf)
  const rails: GuardRail[] = [
    { workload: workload.name, what: 'requests', limit: leastRequests, found: median(our, requestsOf) },
  ]
  if (workload.wallLimit === undefined) return rails
  return [{ workload: workload.name, what: 'wall time', limit: workload.wallLimit, found }, ...rails]
}

/** One line about a limit: met, or missed by how much. */
export function renderGuardRail({ workload, what, limit, found }: GuardRail): string {
  const [foundText, limitText] = what === 'requests' ? [found, limit] : [found.toFixed(2), limit.toFixed(2)]
  const by = what === 'requests' ? `${found - limit}` : `${Math.round((found / limit - 1) * 100)} %`
  const verdict = found <= limit ? 'met' : `MISSED by ${by}`
  return `- ${workload}, ${what}: ${foundText}, at most ${limitText}: ${verdict}`
}

function row(entry: Entry, peer: Entry | undefined): string[] {
  const name = entry.contestant
  if (entry.samples.length === 0) return [name, 'failed', '', '', '', '', '', '', '']
  const cells = [wallOf, cpuOf, memoryOf].flatMap((measure) => [
    spread(entry, measure),
    ratio(entry, peer, measure),
  ])
  const runs = `${entry.samples.length}${entry.failure === undefined ? '' : ', then failed'}`
  return [name, runs, ...cells, requestsText(entry)]
}

function spread(entry: Entry, measure: (sample: Sample) => number): string {
  const values = entry.samples.map(measure)
  if (values.some(Number.isNaN)) return '–'
  const [least, most] = [Math.min(...values), Math.max(...values)].map(Math.round)
  return `${Math.round(median(entry, measure))} (${least}–${most})`
}

function ratio(entry: Entry, peer: Entry | undefined, measure: (sample: Sample) => number): string {
  if (peer === undefined) return '–'
  const base = median(peer, measure)
  const isMeaningful = base > (measure === cpuOf ? leastCpuMilliseconds : 0)
  return isMeaningful ? (median(entry, measure) / base).toFixed(2) : '–'
}

function requestsText(entry: Entry): string {
  const source = median(entry, (sample) => sample.sourceRequests)
  const destination = median(entry, (sample) => sample.destinationRequests)
  return `${source} + ${destination}`
}

function fastestPeer(entries: readonly Entry[]): Entry | undefined {
  return peersOf(entries).toSorted((one, other) => median(one, wallOf) - median(other, wallOf))[0]
}

function peersOf(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter((entry) => entry.contestant !== ours && entry.samples.length > 0)
}

function median(entry: Entry, measure: (sample: Sample) => number): number {
  const values = entry.samples.map(measure).toSorted((one, other) => one - other)
  const middle = values.slice(Math.floor((values.length - 1) / 2), Math.floor(values.length / 2) + 1)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

function wallOf(sample: Sample): number {
  return sample.milliseconds
}

function cpuOf(sample: Sample): number {
  return sample.cpuMilliseconds ?? Number.NaN
}

function memoryOf(sample: Sample): number {
  return (sample.peakBytes ?? Number.NaN) / 1024 / 1024
}

function requestsOf(sample: Sample): number {
  return sample.sourceRequests + sample.destinationRequests
}
