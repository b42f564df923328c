import { isAbsolute, join, resolve } from 'node:path'
import { env } from 'node:process'
import { homeFolder } from '../targets/home-folder.ts'

/**
 * The folder in which interrupted uploads are remembered: COPYGRAPH_UPLOAD_JOURNAL, none where that is empty; without it
 * where programs keep their state, which must be an absolute path (XDG Base Directory Specification).
 */
export function uploadJournal(environment: NodeJS.ProcessEnv = env): string | undefined {
  const { COPYGRAPH_UPLOAD_JOURNAL: named, XDG_STATE_HOME: state } = environment
  if (named !== undefined) return named === '' ? undefined : resolve(named)
  const folder = state && isAbsolute(state) ? state : join(homeFolder(environment), '.local', 'state')
  return join(folder, 'copygraph', 'uploads')
}
