/**
 * The command line as a whole: which verbs there are, and how a word that is none of them is answered. A verb's file
 * declares its flags at once, so that `--help` is cheap, and imports the library only when it runs.
 */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { LakeError } from '../errors.js'
import { addApprove } from './approve.js'
import { addChanges } from './changes.js'
import { addDdl } from './ddl.js'
import { addDiff } from './diff.js'
import { addDiscard } from './discard.js'
import { failed, quitQuietly, usageError } from './exit.js'
import { addHistory } from './history.js'
import { addLoads } from './load.js'
import { addHeldLoads } from './loads.js'
import { flush } from './output.js'
import { addQuery } from './query.js'
import { openSession, type Session } from './session.js'
import { addSet } from './set.js'
import { addShow } from './show.js'
import { addVerify } from './verify.js'

/** Runs one command line to its end, and ends the process with the exit code of CONTRACT §1. */
export async function main(args: string[]): Promise<never> {
  const session = openSession(wantsJson(args))
  process.on('uncaughtException', (error) => {
    failed(error, session).then(process.exit, () => process.exit(1))
  })
  let code: number
  try {
    await buildProgram(session).parseAsync(args, { from: 'user' })
    code = session.exitCode
  } catch (error) {
    code = await failed(usageError(error, args), session).catch(quitQuietly)
  }
  await flush()
  process.exit(code)
}

export function buildProgram(session: Session): Command {
  const program = new Command('lakewright')
    .description('Loads rows and files into Hive-partitioned Parquet tables on S3 or a local folder, all or nothing.')
    .usage('<verb> <table> [options]')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .addHelpCommand(
      new Command('help').usage('[verb]').argument('[verb]').description('print the help of a verb').helpGroup('Help:'),
    )
    .option('--json', 'print one JSON object on standard output, also for a failure')
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (verb) => `${verb.name()} ${verb.usage().replace('[options]', '').trim()}`,
      // The flag itself names its choices, and its words the default.
      optionDescription: (option) => option.description,
    })
    .showSuggestionAfterError(true)
    .exitOverride()
    // The message travels with the error that `exitOverride` throws; it is printed once, in `failed`.
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', rootHelp)

  program.commandsGroup('Loads:')
  addLoads(program, session)
  program.commandsGroup('Loads held back:')
  addHeldLoads(program, session)
  addApprove(program, session)
  addDiscard(program, session)
  program.commandsGroup('Reading:')
  addQuery(program, session)
  addChanges(program, session)
  addShow(program, session)
  addHistory(program, session)
  addDiff(program, session)
  program.commandsGroup('Upkeep:')
  addSet(program, session)
  addVerify(program, session)
  program.commandsGroup('Other engines:')
  addDdl(program, session)
  addPlannedVerbs(program)
  return program
}

const plannedVerbs = 'restore vacuum compact tag rejected report run'

const rootHelp = `
A table is s3://bucket/prefix, file:///path or a path. Digits after a last @ name a version: orders@12.
AWS settings come from the SDK's usual chain, AWS_ENDPOINT_URL names MinIO and other stores.

Examples:
  $ lakewright replace ./lake/orders --from 'dumps/2026-11-20.csv' --partition-by dt
  $ lakewright query ./lake/orders "select dt, count(*) from t group by all order by all"
  $ lakewright show ./lake/orders --partitions
  $ lakewright replace --help

Exit codes:
  0 done                                  5 a guard held the load back
  1 a bug in lakewright                   6 unknown whether the commit happened: look before a retry
  2 fix the call, the input, the set-up   7 damage found
  3 conflict: nothing became visible      8 unsupported
  4 unavailable: try later                130 interrupted`

/** Verbs of the CONTRACT that this release does not have: known words, so no spelling is suggested for them. */
function addPlannedVerbs(program: Command): void {
  for (const verb of plannedVerbs.split(' ')) {
    program
      .command(`${verb} [arguments...]`, { hidden: true })
      .helpOption(false)
      .allowUnknownOption()
      .action(() => {
        throw new LakeError('unsupported', `\`lakewright ${verb}\` is not part of this release yet`)
      })
  }
}

function wantsJson(args: string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

/** By the package's own name, so that it is found from wherever the bundler puts this line. */
function packageVersion(): string {
  return (createRequire(import.meta.url)('lakewright/package.json') as { version: string }).version
}
