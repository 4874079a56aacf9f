import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PartUnavailable } from './errors.ts'
import type { PartOptions } from './part.ts'
import { cacheFolder, runTool } from './program.ts'

/** A program that is published as jars. */
export interface Jars {
  readonly name: string
  /** Maven coordinates, `group:artifact:version`. */
  readonly artifact: string
  /** What to do where they cannot be had: the end of a sentence. */
  readonly instead: string
}

type FetchOptions = Pick<PartOptions, 'env' | 'guard' | 'report'>

/** The folder of a program's jars, its dependencies included; Maven fetches them once. */
export async function findJars(wanted: Jars, options: FetchOptions): Promise<string> {
  const { env, report } = options
  const [, artifactId, version] = wanted.artifact.split(':')
  const jars = join(cacheFolder(env), `${artifactId}-${version}`)
  if (existsSync(jars)) return jars
  report(`fetching ${wanted.name} ${version} with Maven (once)`)
  await mkdir(cacheFolder(env), { recursive: true })
  const draft = await mkdtemp(join(cacheFolder(env), 'jars-draft-'))
  try {
    await writeFile(join(draft, 'pom.xml'), pom(wanted.artifact))
    await copyDependencies(wanted, draft, options)
    // Another start may have been first: its jars are as good.
    await rename(join(draft, 'jars'), jars).catch((error: unknown) => {
      if (!existsSync(jars)) throw error
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return jars
}

function pom(artifact: string): string {
  const [groupId, artifactId, version] = artifact.split(':')
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version></dependency>
  </dependencies>
</project>
`
}

async function copyDependencies(
  { name, artifact, instead }: Jars,
  folder: string,
  { env, guard, report }: FetchOptions,
) {
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies'
  const options = ['-B', '-f', join(folder, 'pom.xml'), goal, `-DoutputDirectory=${join(folder, 'jars')}`]
  const logFile = join(cacheFolder(env), `${artifact.split(':')[1]}.log`)
  const complaints: string[] = []
  let files = 0
  const problem = await runTool('mvn', options, {
    env,
    guard,
    logFile,
    onLine(line) {
      if (line.startsWith('[ERROR]')) complaints.push(line.slice('[ERROR] '.length))
      const file = /(?:Downloaded from|Copying) .*?([^/\s]+\.jar)/.exec(line)?.[1]
      if (file) files += 1
      report(`fetching ${name} with Maven (once), ${files} files`, logFile)
    },
  })
  if (problem === undefined) return
  throw new PartUnavailable(
    `${name} could not be fetched with Maven: ${complaints[0] ?? problem} (all that it said: ${logFile}). ` +
      'Install Maven (Debian: apt-get install maven; macOS: brew install maven) and see that it reaches a repository ' +
      `(~/.m2/settings.xml), or ${instead}.`,
  )
}
