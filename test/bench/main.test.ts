import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { referrersName } from '../../bench/referrers.ts'
import type { GuardRail } from '../../bench/report.ts'
import type { WorkloadResult } from '../../bench/rounds.ts'
import { workloads } from '../../bench/workloads.ts'
import { newFolder } from '../support/folder.ts'
import { describePeers, run, type RunResult } from '../support/peers.ts'

const main = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const programs = ['crane', 'orascopy', 'regctl', 'skopeo'] as const

function bench(...args: string[]): Promise<RunResult> {
  return run(process.execPath, [main, ...args], { timeoutMilliseconds: 100_000 })
}

it.each([
  [['--rounds', '0'], '--rounds is 1 to 20\n'],
  [['--only', 'gigantic'], 'no workload is called gigantic\n'],
])('what %j asks for is refused in one line', async (args, stderr) => {
  expect(await bench(...args)).toEqual({ code: 1, stdout: '', stderr })
})

describePeers(['registry', 'built', ...programs], 'The whole bench with little data', () => {
  it('measures every program at every workload, and leaves nothing; we never send the most requests', async () => {
    await using results = await newFolder()
    await using space = await newFolder()
    const json = join(results.path, 'results.json')
    const ended = await bench('--rounds', '1', '--scale', '0.001', '--dir', space.path, '--json', json)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(space.path)).toEqual([])
    const written: { results: WorkloadResult[]; rails: GuardRail[] } = JSON.parse(
      await readFile(json, 'utf8'),
    )
    const runs = written.results.map(({ workload: { name }, entries }) => [
      name,
      ...entries.map(({ contestant, samples }) => `${samples.length} ${contestant}`),
    ])
    const each = ['1 copygraph', '1 oras-go', '1 crane', '1 regctl', '1 skopeo']
    const referrers = [referrersName, '1 copygraph', '1 oras-go', '1 regctl']
    expect(runs).toEqual([...workloads().map(({ name }) => [name, ...each]), referrers])
    // So little data says nothing about time.
    const requests = written.rails.filter(({ what }) => what === 'requests')
    expect(requests).toHaveLength(runs.length)
    expect(requests.filter(({ found, limit }) => found > limit)).toEqual([])
  })
})
