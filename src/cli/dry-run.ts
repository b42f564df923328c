import type { ExtendedCopyOptions } from '../copy/extended-options.ts'
import type { Plan } from '../copy/plan-types.ts'
import { printableJson } from '../content/printable.ts'
import type { CopyEvent } from '../events.ts'
import { checkRoot } from './copy-choices.ts'
import { copyOptions, openEnds, type CopyEnds, type CopyJob } from './copy-job.ts'
import { commandEvents } from './output/command-events.ts'
import type { GraphFormat } from './output/render-graph.ts'
import { writeData } from './output/stdout.ts'
import { operationOf, planNames, sealed } from './saved-plan.ts'

/** `copygraph cp --dry-run`: prints what the copy would do, and writes nothing else. */
export async function dryRun(job: CopyJob): Promise<Plan> {
  const ends = await openEnds(job)
  const { format } = job.flags
  if (format !== 'text' && format !== 'json') return printGraph(ends, job, format)
  const plan = await makePlan(ends, job)
  const names = planNames(job)
  if (format === 'json') {
    const { serializePlan } = await import('../copy/saved-plan.ts')
    await writeData(printableJson(serializePlan(sealed(plan, job.flags), names)))
  } else {
    const { describePlan } = await import('./output/plan-text.ts')
    await writeData(describePlan(plan, names))
  }
  return plan
}

async function printGraph(ends: CopyEnds, job: CopyJob, format: GraphFormat): Promise<Plan> {
  const { PlanGraph } = await import('../copy/plan-graph.ts')
  const { renderGraph } = await import('./output/render-graph.ts')
  const graph = new PlanGraph(ends.from.manifestTypes)
  const plan = await makePlan(ends, job, graph)
  await writeData(await renderGraph(graph.of(plan), format))
  return plan
}

interface Observers extends Pick<ExtendedCopyOptions, 'manifestTypes'> {
  readonly hear?: (event: CopyEvent) => void
}

async function makePlan(
  { from, reference, to }: CopyEnds,
  job: CopyJob,
  { hear, manifestTypes }: Observers = {},
): Promise<Plan> {
  const { flags, choices } = job
  const show = commandEvents(flags)
  const onEvent = (event: CopyEvent): void => {
    hear?.(event)
    if (event.type !== 'warning' || flags.quiet !== true) show(event)
  }
  const options = {
    ...copyOptions(job, reference, onEvent),
    mapRoot: checkRoot(choices, (message) => onEvent({ type: 'warning', side: 'source', message })),
    manifestTypes,
  }
  const { planCopy, planExtendedCopy } = await import('../copy/plan.ts')
  const make = operationOf(flags) === 'copy' ? planCopy : planExtendedCopy
  return make(from, reference, to, options)
}
