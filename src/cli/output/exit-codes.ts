/** What the command ends with. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unauthorised: 4,
  unreachable: 5,
  interrupted: 130,
  terminated: 143,
} as const

/** For `--help`. */
export const exitCodesHelp: string = `
Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    not found: the reference, or content that it needs
  4    unauthorised: credentials are missing, wrong, or not enough
  5    unreachable: no connection to a registry
  130  interrupted (Ctrl-C); 143 when it was SIGTERM
`
