import { parseArgs } from 'node:util'

/** What `--help` prints. */
export const usage: string = `npm run bench -- [--rounds N] [--scale FRACTION] [--only NAME] [--dir DIR] [--json FILE] [--memory]

--rounds N        how often each contestant runs each workload, 1 to 20 (3)
--scale FRACTION  of the data's full size, above 0 and at most 1 (1)
--only NAME       only workloads whose name contains this: big, twelve, small, unchanged, referrers, layout-registry …
--dir DIR         where data is stored (COPYGRAPH_BENCH_DIR, else /dev/shm if it has room, else temporary files)
--json FILE       writes every sample and guard rail there
--memory          peak memory of our command alone, for small, large and held-back blobs: once, at a scale of 1/16 or more`

/** What a run of the bench is asked for. */
export interface Settings {
  readonly rounds: number
  readonly scale: number
  readonly only: string
  readonly directory: string | undefined
  readonly json: string | undefined
  readonly memory: boolean
}

/** Reads the arguments of the bench; undefined where help is asked for. Throws for one that it does not know, or that makes no sense. */
export function parseSettings(args: readonly string[]): Settings | undefined {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: text,
      scale: { ...text, default: '1' },
      only: text,
      dir: text,
      json: text,
      memory: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const [rounds, scale] = [Number(values.rounds ?? 3), Number(values.scale)]
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20) throw new RangeError('--rounds is 1 to 20')
  if (!(scale > 0 && scale <= 1)) throw new RangeError('--scale is above 0 and at most 1')
  const { only = '', dir: directory, json, memory } = values
  if (memory) {
    if (values.rounds !== undefined) throw new RangeError('--rounds is not for --memory')
    if (values.only !== undefined) throw new RangeError('--only is not for --memory')
    if (scale < minMemoryScale) throw new RangeError('--scale is at least 1/16 with --memory')
  }
  return { rounds, scale, only, directory, json, memory }
}

/** With less, the held blob would be smaller than the one that all are compared with. */
const minMemoryScale = 1 / 16
