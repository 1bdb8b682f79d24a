using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A keyboard that firmware can use: eight bytes, six keys and the modifiers, five lights (USB HID 1.11, boot keyboard).</summary>
/// <remarks>
/// <para>Each press and each release is a report of its own, and the host gets them in order, however late it asks.
/// Both protocols have the same form, as with most keyboards.</para>
/// <para>Whoever sits before it uses <see cref="Press"/>, <see cref="Release"/> and <see cref="Type"/>.</para>
/// </remarks>
public sealed class KeyboardDevice : HidDevice
{
    /// <summary>Reports that wait for the host at most; a key that would be one more is lost.</summary>
    public const int ReportsMax = 1024;

    /// <summary>Characters that wait to be typed at most.</summary>
    public const int TextMax = 65536;

    private readonly List<KeyUsage> _held = [];
    private readonly Queue<KeyboardReport> _reports = new(ReportsMax);
    private readonly Queue<char> _text = new();
    private KeyModifiers _modifiers;

    /// <summary>A keyboard with no key held.</summary>
    /// <param name="loop">The time that it lives in.</param>
    /// <param name="speed">Low, full or high.</param>
    /// <exception cref="ArgumentException">There are no SuperSpeed keyboards.</exception>
    public KeyboardDevice(EventLoop loop, UsbSpeed speed = UsbSpeed.High)
        : base(loop, speed, new("Keyboard", ProductId: 0x0003, BootProtocol: 1, Form, KeyboardReport.Size, DefaultIdle: 125))
    {
    }

    /// <summary>The lights that the host switched on.</summary>
    public KeyboardLeds Leds { get; private set; }

    /// <summary>Reports and characters that the host has not fetched.</summary>
    public int Pending => _reports.Count + _text.Count;

    // Eight modifier bits, a byte of padding, five lights with three bits of padding, six keys.
    private static byte[] Form =>
    [
        0x05, 0x01, 0x09, 0x06, 0xA1, 0x01,
        0x05, 0x07, 0x19, 0xE0, 0x29, 0xE7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02,
        0x95, 0x01, 0x75, 0x08, 0x81, 0x01,
        0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02,
        0x95, 0x01, 0x75, 0x03, 0x91, 0x01,
        0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x05, 0x07, 0x19, 0x00, 0x2A, 0xFF, 0x00, 0x81, 0x00,
        0xC0,
    ];

    /// <inheritdoc/>
    private protected override bool HasNews => _reports.Count != 0 || _text.Count != 0;

    /// <summary>Presses a key; nothing happens where it is held already.</summary>
    /// <param name="key">Any key from <see cref="KeyUsage.A"/> on.</param>
    /// <returns><c>false</c> where the host is so far behind that the key is lost.</returns>
    /// <exception cref="ArgumentOutOfRangeException">No key has that usage.</exception>
    public bool Press(KeyUsage key) => Change(key, isDown: true);

    /// <summary>Releases a key; nothing happens where it is not held.</summary>
    /// <inheritdoc cref="Press"/>
    public bool Release(KeyUsage key) => Change(key, isDown: false);

    /// <summary>Types text as the keys of a US keyboard, one stroke after the other as the host fetches them.</summary>
    /// <remarks>What waits to be typed survives a reset of the bus, as the patience of a person does.</remarks>
    /// <param name="text">What <see cref="UsLayout"/> has keys for.</param>
    /// <exception cref="ArgumentException">No key writes a character, or more than <see cref="TextMax"/> would wait.</exception>
    public void Type(string text)
    {
        foreach (char character in text)
        {
            if (UsLayout.KeyOf(character).Key == KeyUsage.None)
                throw new ArgumentException($"No key of a US keyboard writes '{character}' (U+{(int)character:X4}).");
        }

        if (_text.Count + text.Length > TextMax)
            throw new ArgumentException($"More than {TextMax} characters wait to be typed.");
        foreach (char character in text)
            _text.Enqueue(character);
        if (text.Length != 0)
            Wake();
    }

    /// <inheritdoc/>
    private protected override int TakeReport(Span<byte> report)
    {
        if (_reports.Count == 0)
            Strike(_text.Dequeue());
        Packed.Write(_reports.Dequeue(), report[..KeyboardReport.Size]);
        return KeyboardReport.Size;
    }

    /// <inheritdoc/>
    private protected override int CurrentReport(Span<byte> report)
    {
        Packed.Write(Now(), report[..KeyboardReport.Size]);
        return KeyboardReport.Size;
    }

    /// <inheritdoc/>
    private protected override void ForgetNews()
    {
        _reports.Clear();
        Leds = KeyboardLeds.None;
    }

    /// <inheritdoc/>
    private protected override int OutputReport(Span<byte> report)
    {
        report[0] = (byte)Leds;
        return 1;
    }

    /// <inheritdoc/>
    private protected override bool SetOutputReport(ReadOnlySpan<byte> report)
    {
        if (report.Length != 1)
            return false;
        Leds = (KeyboardLeds)report[0];
        return true;
    }

    private void Strike(char character)
    {
        (KeyUsage key, bool shift) = UsLayout.KeyOf(character);
        if (shift)
            _ = Press(KeyUsage.LeftShift);
        _ = Press(key);
        _ = Release(key);
        if (shift)
            _ = Release(KeyUsage.LeftShift);
    }

    private bool Change(KeyUsage key, bool isDown)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan((int)key, (int)KeyUsage.A, nameof(key));
        bool isModifier = key is >= KeyUsage.LeftControl and <= KeyUsage.RightGui;
        KeyModifiers modifier = isModifier ? (KeyModifiers)(1 << (key - KeyUsage.LeftControl)) : KeyModifiers.None;
        bool isHeld = isModifier ? (_modifiers & modifier) != 0 : _held.Contains(key);
        if (isHeld == isDown)
            return true;
        if (_reports.Count == ReportsMax)
            return false;
        if (isModifier)
            _modifiers ^= modifier;
        else if (isDown)
            _held.Add(key);
        else
            _ = _held.Remove(key);
        _reports.Enqueue(Now());
        Wake();
        return true;
    }

    private KeyboardReport Now()
    {
        // More keys than the report has room for: all six places say so, and the modifiers still count.
        bool isTooMany = _held.Count > KeyboardReport.KeyCount;
        return new()
        {
            Modifiers = _modifiers,
            Key1 = Place(0, isTooMany),
            Key2 = Place(1, isTooMany),
            Key3 = Place(2, isTooMany),
            Key4 = Place(3, isTooMany),
            Key5 = Place(4, isTooMany),
            Key6 = Place(5, isTooMany),
        };
    }

    private KeyUsage Place(int index, bool isTooMany) =>
        isTooMany ? KeyUsage.RollOver : index < _held.Count ? _held[index] : KeyUsage.None;
}
