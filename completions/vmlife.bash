# Completion of vmlife for bash 4.4 or newer. vmlife itself tells what may come next.

_vmlife() {
    local line=${COMP_LINE:0:COMP_POINT} piece words=()
    # Bash takes words apart at : and = too; what no blank parts is one word.
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD}"; do
        if [[ ${#words[@]} -eq 0 || $line == [[:blank:]]* ]]; then
            words+=("$piece")
        else
            words[-1]+=$piece
        fi
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line#"$piece"}
    done
    if [[ $line == [[:blank:]]* ]]; then
        words+=("${line#"${line%%[![:blank:]]*}"}")
    else
        words[-1]+=$line
    fi
    mapfile -t COMPREPLY < <(LIBVIRT_AUTOSTART=0 VMLIFE_COMPLETE=bash VMLIFE_COMPLETE_BREAKS=$COMP_WORDBREAKS \
        vmlife -- "${words[@]}" 2>/dev/null)
    # A folder, and what ends with = or :, goes on.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=:] ]]; then
        compopt -o nospace
    fi
}

complete -o nosort -F _vmlife vmlife
