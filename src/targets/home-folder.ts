import { userInfo } from 'node:os'
import { isAbsolute } from 'node:path'

/**
 * The absolute path of the user's home: that of HOME, else what the system says, else `/`, as in containers whose user has
 * no name. Never a folder under the current one, where a checkout could have planted credentials and certificates.
 */
export function homeFolder({ HOME: named = '' }: Readonly<Record<string, string | undefined>>): string {
  if (isAbsolute(named)) return named
  try {
    const { homedir } = userInfo()
    return isAbsolute(homedir) ? homedir : '/'
  } catch {
    return '/'
  }
}
