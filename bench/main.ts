import { writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { contestants, ours, type Contestant } from './contestants.ts'
import { hasGnuTime } from './measure.ts'
import { measureMemory, memoryNeededBytes, renderMemory, type MemoryResult } from './memory.ts'
import { messageOf } from './message-of.ts'
import { registryProgram } from './registry.ts'
import { guardRails, renderGuardRail, renderTable } from './report.ts'
import { runWorkloads, type WorkloadResult } from './rounds.ts'
import { openWorkspace } from './workspace.ts'
import { workloads, type Workload } from './workloads.ts'

const usage = `npm run bench -- [--rounds N] [--scale FRACTION] [--only NAME] [--dir DIR] [--json FILE] [--memory]

--rounds N        how often each contestant runs each workload, 1 to 20 (3)
--scale FRACTION  of the data's full size, above 0 and at most 1 (1)
--only NAME       only workloads whose name contains this: big, twelve, small, unchanged, layout-registry …
--dir DIR         where data is stored (COPYGRAPH_BENCH_DIR, else /dev/shm if it has room, else temporary files)
--json FILE       writes every sample and guard rail there
--memory          peak memory of our command alone, for small, large and held-back blobs`

interface Settings {
  readonly rounds: number
  readonly scale: number
  readonly only: string
  readonly directory: string | undefined
  readonly json: string | undefined
  readonly memory: boolean
}

const gibibyte = 1024 ** 3
const aborted = new AbortController()
const stop = (): void => aborted.abort(new Error('interrupted'))
process.once('SIGINT', stop).once('SIGTERM', stop)
try {
  const settings = readSettings()
  if (settings === undefined) console.log(usage)
  else await (settings.memory ? benchMemory(settings) : benchTime(settings))
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 1
}

function readSettings(): Settings | undefined {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      rounds: { ...text, default: '3' },
      scale: { ...text, default: '1' },
      only: { ...text, default: '' },
      dir: text,
      json: text,
      memory: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20) throw new RangeError('--rounds is 1 to 20')
  if (!(scale > 0 && scale <= 1)) throw new RangeError('--scale is above 0 and at most 1')
  const { only, dir: directory, json, memory } = values
  return { rounds, scale, only, directory, json, memory }
}

async function benchTime({ rounds, scale, only, directory, json }: Settings): Promise<void> {
  const chosen = workloads(scale).filter(({ name }) => name.includes(only))
  if (chosen.length === 0) throw new RangeError(`no workload is called ${only}`)
  const present = announce()
  const results: WorkloadResult[] = []
  await using workspace = await openWorkspace(directory, neededBytes(chosen))
  const options = { directory: workspace.path, rounds, signal: aborted.signal }
  for await (const result of runWorkloads(chosen, present, options)) {
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
  const results: MemoryResult[] = []
  await using workspace = await openWorkspace(directory, memoryNeededBytes * scale)
  const sizes = { bigBytes: Math.ceil(4 * gibibyte * scale), heldBytes: Math.ceil(gibibyte * scale) }
  const options = { directory: workspace.path, signal: aborted.signal, ...sizes }
  for await (const result of measureMemory(options)) {
    results.push(result)
    console.log(renderMemory(result))
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
  return Math.max(...chosen.map(({ image }) => image.layers * image.layerBytes)) * 3 + gibibyte / 2
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
