import { clearScreenDown, cursorTo, moveCursor } from 'node:readline'
import { styleText } from 'node:util'
import { formatBytes } from '../../content/format-bytes.ts'
import { printable } from '../../content/printable.ts'
import type { CopyEvent } from '../../events.ts'
import { describeNode, formatRate, type Progress } from './progress.ts'

/** As much of a terminal as is needed. */
export interface Terminal extends NodeJS.WritableStream {
  /** Cells of a line. @default 80 */
  readonly columns?: number | undefined
  /** Lines that can be seen. @default 24 */
  readonly rows?: number | undefined
}

const redrawMilliseconds = 100
/** Smaller ones are over before anybody has read their line. */
const largeBytes = 1024 * 1024
const barCells = 20

interface Transfer {
  readonly title: string
  readonly size: number
  readonly since: number
  bytes: number
}

/** One line with a bar for each large blob that is on its way, and one that sums up; drawn anew at most ten times a second. */
export function progressBars(terminal: Terminal): Progress {
  const state = new BarState()
  let drawn = 0
  let isDirty = true
  const clear = (): void => {
    if (drawn > 0) moveCursor(terminal, 0, -drawn)
    cursorTo(terminal, 0)
    clearScreenDown(terminal)
    drawn = 0
  }
  const draw = (): void => {
    if (!isDirty) return
    const lines = state.lines(terminal, Date.now())
    clear()
    terminal.write(lines.map((line) => `${line}\n`).join(''))
    drawn = lines.length
    isDirty = false
  }
  const timer = setInterval(draw, redrawMilliseconds).unref()
  return {
    hear(event) {
      isDirty = true
      state.hear(event)
      const lasting = lastingLine(event)
      if (lasting === undefined) return
      clear()
      terminal.write(`${lasting}\n`)
    },
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}

/** What stays above the bars. */
function lastingLine(event: CopyEvent): string | undefined {
  if (event.type === 'tagged') return `Tagged ${printable(event.reference)}`
  if (event.type === 'warning') return `Warning: ${printable(event.message)}`
  return undefined
}

class BarState {
  readonly #transfers = new Map<string, Transfer>()
  readonly #outcomes = { copied: 0, mounted: 0, skipped: 0, filtered: 0 }
  readonly #started = Date.now()
  #discovered = 0
  #bytes = 0

  hear(event: CopyEvent): void {
    switch (event.type) {
      case 'discovered':
        this.#discovered += 1
        return
      case 'started':
        return this.#start(event)
      case 'progress':
        return this.#advance(event)
      case 'copied':
      case 'mounted':
      case 'skipped':
        this.#outcomes[event.type] += 1
        this.#transfers.delete((event.result ?? event.descriptor).digest)
        return
      case 'filtered':
        this.#outcomes.filtered += 1
        return
      default:
        return
    }
  }

  /** All lines, none longer than the terminal is wide: a line that wraps cannot be drawn over. */
  lines(terminal: Terminal, now: number): string[] {
    const { columns = 80, rows = 24 } = terminal
    const shown = [...this.#transfers.values()].slice(0, Math.max(0, rows - 2))
    return [...shown.map((transfer) => barLine(transfer, terminal, now)), cut(this.#summary(now), columns)]
  }

  #start({ descriptor }: CopyEvent & { type: 'started' }): void {
    if (descriptor.size < largeBytes) return
    const { digest, size } = descriptor
    this.#transfers.set(digest, { title: describeNode(descriptor), size, since: Date.now(), bytes: 0 })
  }

  #advance({ descriptor, bytes }: CopyEvent & { type: 'progress' }): void {
    this.#bytes += bytes
    const transfer = this.#transfers.get(descriptor.digest)
    if (transfer !== undefined) transfer.bytes += bytes
  }

  #summary(now: number): string {
    const { copied, mounted, skipped, filtered } = this.#outcomes
    const done = copied + mounted + skipped + filtered
    const parts = [
      `${done} of ${this.#discovered + filtered} nodes`,
      `${copied} copied`,
      ...(mounted > 0 ? [`${mounted} mounted`] : []),
      ...(skipped > 0 ? [`${skipped} skipped`] : []),
      ...(filtered > 0 ? [`${filtered} filtered`] : []),
      `${formatBytes(this.#bytes)}, ${formatRate(this.#bytes, now - this.#started)}`,
      `${Math.round((now - this.#started) / 1000)} s`,
    ]
    return parts.join(' | ')
  }
}

function barLine({ title, size, since, bytes }: Transfer, terminal: Terminal, now: number): string {
  const share = Math.min(1, bytes / size)
  const filled = Math.round(share * barCells)
  const amount = `${formatBytes(bytes)} / ${formatBytes(size)}`.padStart(21)
  const rate = formatRate(bytes, now - since).padStart(12)
  const numbers = `${String(Math.floor(share * 100)).padStart(3)}% ${amount} ${rate}`
  const space = (terminal.columns ?? 80) - barCells - numbers.length - 2
  if (space < 0) return cut(numbers, terminal.columns ?? 80)
  const bar = styleText('green', '━'.repeat(filled), { stream: terminal }) + '─'.repeat(barCells - filled)
  return `${bar} ${numbers} ${cut(title, space)}`
}

function cut(line: string, width: number): string {
  if (line.length <= width) return line
  return width < 1 ? '' : `${line.slice(0, width - 1)}…`
}
