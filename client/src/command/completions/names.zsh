# Names of secrets.
_glassdome_names() {
    local -a names
    names=(${(f)"$(ctl complete-names 2>/dev/null)"})
    compadd -a names
}

