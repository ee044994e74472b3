# Completion of vmlife for PowerShell 7.3 or newer. vmlife itself tells what may come next.

Register-ArgumentCompleter -Native -CommandName vmlife -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # Nothing of the line is evaluated for that.
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
    })
    $words += $wordToComplete.TrimStart("'", '"')

    $before = $env:LIBVIRT_AUTOSTART
    $env:LIBVIRT_AUTOSTART = '0'
    $env:VMLIFE_COMPLETE = 'powershell'
    try {
        $lines = @(vmlife -- @words 2>$null)
    } finally {
        $env:LIBVIRT_AUTOSTART = $before
        $env:VMLIFE_COMPLETE = $null
    }
    foreach ($line in $lines) {
        $value, $help = $line -split "`t", 2
        $text = $value
        if ($value -cnotmatch '^[A-Za-z0-9_./-][A-Za-z0-9_./:=+-]*$') {
            $text = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($value) + "'"
        }
        $tip = if ($help) { $help } else { $value }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $tip)
    }
}
