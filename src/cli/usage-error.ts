import { CommanderError } from 'commander'
import { printable } from '../content/printable.ts'
import { exitCodes } from './output/exit-codes.ts'

/** What was typed makes no sense: one sentence that shows the right spelling. */
export function usageError(message: string): CommanderError {
  return new CommanderError(exitCodes.usage, 'copygraph.usage', printable(message))
}
