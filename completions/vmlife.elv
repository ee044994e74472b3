# Completion of vmlife for elvish 0.19 or newer. vmlife itself tells what may come next.

use str

set edit:completion:arg-completer[vmlife] = {|@words|
    try {
        (external env) LIBVIRT_AUTOSTART=0 VMLIFE_COMPLETE=elvish vmlife -- $@words 2>/dev/null |
            from-lines | each {|line|
                var value help = (str:split "\t" $line)
                var display = $value
                if (not-eq $help '') {
                    set display = $value'  '$help
                }
                var suffix = ' '
                if (or (str:has-suffix $value /) (str:has-suffix $value =) (str:has-suffix $value :)) {
                    # It goes on.
                    set suffix = ''
                }
                edit:complex-candidate $value &display=$display &code-suffix=$suffix
            }
    } catch { }
}
