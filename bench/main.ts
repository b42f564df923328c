import { writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { basename } from 'node:path'
import { contestants, ours, type Contestant } from './contestants.ts'
import { hasGnuTime } from './measure.ts'
import { canHoldLayout, measureMemory, memoryNeededBytes, renderMemory, type MemoryResult } from './memory.ts'
import { measureRecompression, recompressionGrowthBytes } from './recompress.ts'
import { messageOf } from './message-of.ts'
import { referrersName, runReferrers } from './referrers.ts'
import { registryProgram } from './registry.ts'
import { guardRails, renderGuardRail, renderTable } from './report.ts'
import { runWorkloads, type WorkloadResult } from './rounds.ts'
import { parseSettings, usage, type Settings } from './settings.ts'
import { openWorkspace } from './workspace.ts'
import { workloads, type Workload } from './workloads.ts'

const gibibyte = 1024 ** 3
const aborted = new AbortController()
const stop = (): void => aborted.abort(new Error('interrupted'))
process.once('SIGINT', stop).once('SIGTERM', stop)
try {
  const settings = parseSettings(process.argv.slice(2))
  if (settings === undefined) console.log(usage)
  else await (settings.memory ? benchMemory(settings) : benchTime(settings))
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}

async function benchTime({ rounds, scale, only, directory, json }: Settings): Promise<void> {
  const chosen = workloads(scale).filter(({ name }) => name.includes(only))
  const hasReferrers = referrersName.includes(only)
  if (chosen.length === 0 && !hasReferrers) throw new RangeError(`no workload is called ${only}`)
  const present = announce()
  const results: WorkloadResult[] = []
  await using workspace = await openWorkspace(directory, neededBytes(chosen))
  const options = { directory: workspace.path, rounds, signal: aborted.signal }
  for await (const result of runWorkloads(chosen, present, options)) {
    results.push(result)
    console.log(`\n${renderTable(result)}`)
  }
  if (hasReferrers) {
    const result = await runReferrers({ ...options, scale })
    results.push(result)
    console.log(`\n${renderTable(result)}`)
  }
  const rails = results.flatMap(guardRails)
  const lines = rails.length > 0 ? rails.map(renderGuardRail) : [`- none without ${ours} and a peer`]
  console.log(['\n### Guard rails', '', ...lines].join('\n'))
  if (json !== undefined) await writeJson(json, { machine: machine(), rounds, scale, results, rails })
  const weFailed = results.flatMap(({ entries }) => entries).some(isOurFailure)
  if (weFailed) process.exitCode = 1
}

async function benchMemory({ directory, json, scale }: Settings): Promise<void> {
  console.log(machine())
  if (!canHoldLayout()) console.log('LEFT OUT: a layout that is held back, since strace is not installed')
  const results: MemoryResult[] = []
  await using workspace = await openWorkspace(directory, memoryNeededBytes * scale)
  const sizes = { bigBytes: Math.ceil(4 * gibibyte * scale), heldBytes: Math.ceil(gibibyte * scale) }
  const options = { directory: workspace.path, signal: aborted.signal, ...sizes }
  for await (const result of measureMemory(options)) {
    results.push(result)
    console.log(renderMemory(result))
  }
  for await (const result of measureRecompression({ ...options, scale })) {
    results.push(result)
    console.log(renderMemory(result, recompressionGrowthBytes))
  }
  if (json !== undefined) await writeJson(json, { machine: machine(), scale, results })
}

/** Says what takes part and what does not, and returns the former. */
function announce(): readonly Contestant[] {
  const all = contestants()
  const present = all.filter(({ program }) => program !== undefined)
  const missing = all.filter(({ program }) => program === undefined).map(({ name }) => name)
  console.log(machine())
  console.log(`contestants: ${present.map(({ name }) => name).join(', ')}`)
  if (missing.length > 0) console.log(`LEFT OUT, not installed: ${missing.join(', ')}`)
  if (!hasGnuTime()) console.log('LEFT OUT: CPU and memory, since GNU time is not installed')
  if (present.length === 0) throw new Error('nothing to measure')
  return present
}

/** The image's layout, its copy at the source and the one at the destination, and some room. */
function neededBytes(chosen: readonly Workload[]): number {
  return Math.max(0, ...chosen.map(({ image }) => image.layers * image.layerBytes)) * 3 + gibibyte / 2
}

function machine(): string {
  const memory = `${Math.round(totalmem() / gibibyte)} GiB`
  return `${availableParallelism()} cores, ${memory}, Node ${process.version}, ${basename(registryProgram())}`
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`)
}

function isOurFailure({ contestant, failure }: WorkloadResult['entries'][number]): boolean {
  return contestant === ours && failure !== undefined
}
