using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Which key of a US keyboard writes which character.</summary>
public static class UsLayout
{
    // Each pair of rows: what the keys from a usage on write alone, and with Shift.
    private static readonly (KeyUsage First, string Plain, string Shifted)[] Rows =
    [
        (KeyUsage.A, "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (KeyUsage.Digit1, "1234567890", "!@#$%^&*()"),
        (KeyUsage.Enter, "\n\u001b\b\t ", ""),
        (KeyUsage.Minus, "-=[]\\", "_+{}|"),
        (KeyUsage.Semicolon, ";'`,./", ":\"~<>?"),
    ];

    /// <summary>The key that writes a character.</summary>
    /// <param name="character">Any printable ASCII character, space, line feed for Return, tab, backspace or escape.</param>
    /// <returns>The key, and whether Shift is held; <see cref="KeyUsage.None"/> where no key writes it.</returns>
    public static (KeyUsage Key, bool Shift) KeyOf(char character)
    {
        foreach ((KeyUsage first, string plain, string shifted) in Rows)
        {
            if (plain.IndexOf(character, StringComparison.Ordinal) is var at and >= 0)
                return ((KeyUsage)((int)first + at), false);
            if (shifted.IndexOf(character, StringComparison.Ordinal) is var above and >= 0)
                return ((KeyUsage)((int)first + above), true);
        }

        return (KeyUsage.None, false);
    }

    /// <summary>The character that a key writes; NUL where it writes none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="shift">Whether Shift is held.</param>
    public static char CharacterOf(KeyUsage key, bool shift)
    {
        foreach ((KeyUsage first, string plain, string shifted) in Rows)
        {
            int at = key - first;
            if (at >= 0 && at < plain.Length)
                return !shift ? plain[at] : at < shifted.Length ? shifted[at] : plain[at];
        }

        return '\0';
    }
}
