/** Completion scripts, made from the commands themselves so that they cannot fall behind. */
import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** One place in the command tree and the words that may follow it. */
interface Place {
  /** Command words that lead here: `get routes`. Empty at the root. */
  path: string
  words: { word: string; description: string }[]
}

/** The script for `shell` that completes commands, choices and options. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, '')
  switch (shell) {
    case 'bash':
      return bashScript(places)
    case 'zsh':
      return `#compdef herald\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`
    case 'fish':
      return fishScript(places)
  }
}

function placesOf(command: Command, path: string): Place[] {
  const commands = command.commands.filter((sub) => sub.name() !== 'help')
  const words = [
    ...commands.map((sub) => ({ word: sub.name(), description: sub.description() })),
    ...command.registeredArguments.flatMap((argument) =>
      (argument.argChoices ?? []).map((word) => ({ word, description: argument.description })),
    ),
    ...command.options.flatMap((option) =>
      option.long === undefined ? [] : [{ word: option.long, description: option.description }],
    ),
  ]
  return [
    { path, words },
    ...commands.flatMap((sub) => placesOf(sub, path === '' ? sub.name() : `${path} ${sub.name()}`)),
  ]
}

/** Finds the longest path that the words typed so far begin with, options left out. */
function bashScript(places: Place[]): string {
  const cases = places.map(
    ({ path, words }) =>
      `    ${JSON.stringify(path)}) words=${JSON.stringify(words.map((w) => w.word).join(' '))} ;;`,
  )
  return `_herald() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case " ${places.map((place) => place.path.replaceAll(' ', '_')).join(' ')} " in
      *" \${path:+\${path// /_}_}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _herald herald`
}

function fishScript(places: Place[]): string {
  const lines = places.flatMap(({ path, words }) => {
    const seen = path.split(' ').filter(Boolean)
    const condition =
      seen.length === 0
        ? '__fish_use_subcommand'
        : seen.map((w) => `__fish_seen_subcommand_from ${w}`).join('; and ')
    return words.map(({ word, description }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
      return `complete -c herald -n '${condition}' ${what} -d ${JSON.stringify(description)}`
    })
  })
  return lines.join('\n')
}
