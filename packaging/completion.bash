# Completion of zferry's command line for bash. What comes before this are tables that zferry prints
# itself (zferry help --completion): _zferry_verbs, _zferry_options VERB, _zferry_argument VERB. It
# needs nothing but bash; names of queues and streams are asked of the broker, for half a second at
# most.
# shellcheck shell=bash disable=SC2154

# The words up to the cursor, into the array words of the caller: bash has cut them at = and :.
_zferry_words ()
{
    local word glue= i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ $word == [=:]* || ( -n $glue && -n $word ) ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        glue=
        [[ $word != *[=:] ]] || glue=1
    done
}

# Into verb, the longest one that the words name, and into first what comes behind it.
_zferry_find_verb ()
{
    local next last=$((${#words[@]} - 1))
    first=1
    [[ $last -lt 2 || ${words[1]} != help ]] || first=2
    for (( ; first < last; first++)); do
        next="$verb${verb:+ }${words[first]}"
        case $'\n'$_zferry_verbs in
        *$'\n'"$next"[$' \n']*) verb=$next ;;
        *) return ;;
        esac
    done
}

# _zferry_next VERB: the words that verbs have behind these.
_zferry_next ()
{
    local line rest
    while IFS= read -r line; do
        [[ -z $1 || $line == "$1 "* ]] || continue
        rest=${line#"$1"}
        rest=${rest# }
        echo "${rest%% *}"
    done <<<"$_zferry_verbs"
}

# _zferry_value OPTION: what the verb's table says of its value; nothing if it takes none.
_zferry_value ()
{
    local entry
    for entry in $(_zferry_options "$verb"); do
        if [[ $entry == "$1="* ]]; then
            echo "${entry#*=}"
            return
        fi
    done
}

# How many arguments there are between the verb and the cursor.
_zferry_count ()
{
    local i count=0
    for ((i = first; i < ${#words[@]} - 1; i++)); do
        if [[ ${words[i]} != -?* ]]; then
            count=$((count + 1))
        elif [[ ${words[i]} != *=* && -n $(_zferry_value "${words[i]}") ]]; then
            i=$((i + 1))
        fi
    done
    echo $count
}

# _zferry_names queue|stream: those of the broker that the words, or the environment, name.
_zferry_names ()
{
    local i at=()
    for ((i = first; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        -c | --connect) at=(--connect "${words[i + 1]}") ;;
        --connect=*) at=("${words[i]}") ;;
        esac
    done
    "${words[0]}" "$1" ls --json --quiet --timeout 500ms "${at[@]}" 2>/dev/null |
        sed -n 's/^{"[a-z]*": *"\([^"\\ ]*\)".*/\1/p'
}

# _zferry_kind PLACEHOLDER CURRENT: into COMPREPLY what such a value may be.
_zferry_kind ()
{
    local make=()
    case $1 in
    ,*) make=(-W "${1//,/ }") ;;
    DIR) make=(-d) ;;
    F | *FILE | PATH) make=(-f) ;;
    CMD) make=(-c) ;;
    HOST) make=(-A hostname) ;;
    QUEUE | SERVICE) make=(-W "$(_zferry_names queue)") ;;
    STREAM) make=(-W "$(_zferry_names stream)") ;;
    *) return ;;
    esac
    [[ ${make[0]} != -[df] ]] || compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "${make[@]}" -- "$2")
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

_zferry_option_names ()
{
    local entry
    for entry in $(_zferry_options "$verb"); do
        [[ $entry != --* ]] || echo "${entry%%=*}"
    done
}

# Behind the verb: a value of an option, an option, or the first argument.
_zferry_behind_verb ()
{
    local value=
    if [[ $current == --*=* ]]; then
        _zferry_kind "$(_zferry_value "${current%%=*}")" "${current#*=}"
        return
    fi
    [[ $previous != -* ]] || value=$(_zferry_value "$previous")
    if [[ -n $value ]]; then
        _zferry_kind "$value" "$current"
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_zferry_option_names)" -- "$current")
    elif (($(_zferry_count) == 0)); then
        _zferry_kind "$(_zferry_argument "$verb")" "$current"
    fi
}

_zferry ()
{
    local words=() verb= first=1 current previous
    COMPREPLY=()
    _zferry_words
    _zferry_find_verb
    current=${words[${#words[@]} - 1]}
    previous=${words[${#words[@]} - 2]}
    if ((first == ${#words[@]} - 1)) && [[ $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_zferry_next "$verb" | sort -u)" -- "$current")
    fi
    if ((${#COMPREPLY[@]} == 0)) && [[ -n $verb && ${words[1]} != help ]]; then
        _zferry_behind_verb
    fi
}

complete -F _zferry zferry
