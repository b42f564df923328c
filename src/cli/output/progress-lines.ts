import type { Descriptor } from '../../content/descriptor.ts'
import { formatBytes } from '../../content/format-bytes.ts'
import { printable } from '../../content/printable.ts'
import type { CopyEvent, FilterReason, SkipReason } from '../../events.ts'
import { describeNode, describeWait, formatRate, type Progress } from './progress.ts'

const heartbeatMilliseconds = 10_000

const skipReasons: Readonly<Record<SkipReason, string>> = {
  exists: '',
  'tag-current': ' (the tag points at it already)',
  'same-content': ' (copied under another media type)',
  caller: '',
  'missing-subject': ' (the source does not have this subject)',
}

const filterReasons: Readonly<Record<FilterReason, string>> = {
  'foreign-layer': ' (not to be distributed)',
  filter: '',
  modifier: ' (removed)',
  invalidated: ' (what it refers to has changed)',
}

/** One line for each event, for logs; while blobs are on their way, one every ten seconds that says how it goes. */
export function progressLines(write: (line: string) => void): Progress {
  let bytes = 0
  let bytesBefore = 0
  const running = new Set<string>()
  const heartbeat = setInterval(() => {
    if (running.size === 0 && bytes === bytesBefore) return
    const rate = formatRate(bytes - bytesBefore, heartbeatMilliseconds)
    bytesBefore = bytes
    const transfers = running.size === 1 ? '1 transfer' : `${running.size} transfers`
    write(`${pad('Running')}${transfers}, ${formatBytes(bytes)} so far, ${rate}`)
  }, heartbeatMilliseconds).unref()
  return {
    hear(event) {
      if (event.type === 'progress') bytes += event.bytes
      if (event.type === 'started') running.add(event.descriptor.digest)
      if (event.type === 'copied' || event.type === 'mounted' || event.type === 'skipped') {
        running.delete((event.result ?? event.descriptor).digest)
      }
      const line = lineOf(event)
      if (line !== undefined) write(line)
    },
    stop: () => clearInterval(heartbeat),
  }
}

function lineOf(event: CopyEvent): string | undefined {
  switch (event.type) {
    case 'started':
      return nodeLine('Copying', event.descriptor)
    case 'copied':
      return nodeLine('Copied', event.descriptor) + becoming(event)
    case 'mounted':
      return nodeLine('Mounted', event.descriptor) + becoming(event)
    case 'skipped':
      return (
        nodeLine(event.reason === 'exists' ? 'Exists' : 'Skipped', event.descriptor) +
        skipReasons[event.reason] +
        becoming(event)
      )
    case 'filtered':
      return nodeLine('Filtered', event.descriptor) + filterReasons[event.reason]
    case 'tagged':
      return pad('Tagged') + printable(event.reference)
    case 'retry':
      return pad('Waiting') + describeWait(event)
    case 'warning':
      return pad('Warning') + printable(event.message)
    default:
      return undefined
  }
}

function becoming({ result }: { readonly result?: Descriptor }): string {
  return result === undefined ? '' : ` => ${describeNode(result)}  ${formatBytes(result.size)}`
}

function nodeLine(verb: string, descriptor: Descriptor): string {
  return `${pad(verb)}${describeNode(descriptor)}  ${formatBytes(descriptor.size)}`
}

function pad(verb: string): string {
  return verb.padEnd('Filtered '.length)
}
