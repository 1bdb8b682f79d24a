namespace Dma.UsbDevice;

/// <summary>What a report descriptor says about the lengths of reports (USB HID 1.11, report descriptor).</summary>
/// <param name="InputBytes">The longest input report, its number included; 0 where there is none.</param>
/// <param name="OutputBytes">The longest output report.</param>
/// <param name="FeatureBytes">The longest feature report.</param>
/// <param name="HasNumbers">Whether each report begins with a byte that numbers it.</param>
public sealed record HidReportForm(int InputBytes, int OutputBytes, int FeatureBytes, bool HasNumbers)
{
    /// <summary>Reports longer than this are refused, in bytes.</summary>
    public const int ReportMax = 65536;

    private const byte LongItem = 0xFE;
    private const int NestingMax = 64;

    private enum ItemType
    {
        Main = 0,
        Global = 1,
    }

    private enum MainTag
    {
        Input = 8,
        Output = 9,
        Collection = 10,
        Feature = 11,
        EndCollection = 12,
    }

    private enum GlobalTag
    {
        Size = 7,
        Number = 8,
        Count = 9,
        Push = 10,
        Pop = 11,
    }

    /// <summary>Reads a report descriptor.</summary>
    /// <param name="bytes">The descriptor.</param>
    /// <param name="form">What it says.</param>
    /// <param name="problem">At which byte it makes no sense, and why; empty where it makes sense.</param>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out HidReportForm? form, out string problem)
    {
        Reader reader = new();
        int at = 0;
        while (at < bytes.Length)
        {
            // A long item has its length in the next byte; nobody has defined any, so it is passed over.
            int length = bytes[at] == LongItem && at + 1 < bytes.Length ? 3 + bytes[at + 1] : 1 + DataLength(bytes[at]);
            string refusal = bytes.Length - at < length ? $"an item of {length} bytes goes past the end, {bytes.Length - at} are left"
                : bytes[at] == LongItem ? ""
                : reader.Item(bytes[at], Value(bytes[(at + 1)..(at + length)]));
            if (refusal.Length != 0)
                return Refuse(at, refusal, out form, out problem);
            at += length;
        }

        string unfinished = bytes.IsEmpty ? "there is nothing" : reader.IsOpen ? "a collection is not closed" : "";
        if (unfinished.Length != 0)
            return Refuse(at, unfinished, out form, out problem);
        (form, problem) = (reader.Form, "");
        return true;
    }

    private static bool Refuse(int at, string refusal, out HidReportForm? form, out string problem)
    {
        (form, problem) = (null, $"Report descriptor, byte {at}: {refusal}.");
        return false;
    }

    private static int DataLength(byte prefix) => (prefix & 3) == 3 ? 4 : prefix & 3;

    private static uint Value(ReadOnlySpan<byte> data)
    {
        uint value = 0;
        for (int at = data.Length - 1; at >= 0; at--)
            value = (value << 8) | data[at];
        return value;
    }

    private readonly record struct Globals(uint Size, uint Count, uint Number);

    // Adds up the bits of each report: kind by number.
    private sealed class Reader
    {
        private readonly Dictionary<(MainTag Kind, uint Number), ulong> _bits = [];
        private readonly Stack<Globals> _pushed = new();
        private Globals _globals;
        private int _collections;
        private bool _hasNumbers;

        public bool IsOpen => _collections != 0;

        public HidReportForm Form => new(Longest(MainTag.Input), Longest(MainTag.Output), Longest(MainTag.Feature), _hasNumbers);

        public string Item(byte prefix, uint value)
        {
            int tag = prefix >> 4;
            return (ItemType)((prefix >> 2) & 3) switch
            {
                ItemType.Main => Main((MainTag)tag),
                ItemType.Global => Global((GlobalTag)tag, value),
                _ => "",
            };
        }

        private string Main(MainTag tag)
        {
            switch (tag)
            {
                case MainTag.Collection:
                    return ++_collections > NestingMax ? $"more than {NestingMax} collections inside each other" : "";
                case MainTag.EndCollection:
                    return --_collections < 0 ? "a collection ends that did not begin" : "";
                case MainTag.Input or MainTag.Output or MainTag.Feature:
                    _ = _bits.TryGetValue((tag, _globals.Number), out ulong bits);
                    bits += (ulong)_globals.Size * _globals.Count;
                    _bits[(tag, _globals.Number)] = bits;
                    return bits > 8 * ReportMax ? $"a report is longer than {ReportMax} bytes" : "";
                default:
                    return "";
            }
        }

        private string Global(GlobalTag tag, uint value)
        {
            switch (tag)
            {
                case GlobalTag.Size:
                    _globals = _globals with { Size = value };
                    break;
                case GlobalTag.Count:
                    _globals = _globals with { Count = value };
                    break;
                case GlobalTag.Number when value is 0 or > byte.MaxValue:
                    return $"a report has the number {value}, which is not from 1 to 255";
                case GlobalTag.Number:
                    _globals = _globals with { Number = value };
                    _hasNumbers = true;
                    break;
                case GlobalTag.Push when _pushed.Count == NestingMax:
                    return $"more than {NestingMax} states are pushed";
                case GlobalTag.Push:
                    _pushed.Push(_globals);
                    break;
                case GlobalTag.Pop when !_pushed.TryPop(out _globals):
                    return "a state is popped that was not pushed";
                default:
                    break;
            }

            return "";
        }

        private int Longest(MainTag kind)
        {
            ulong longest = 0;
            foreach (((MainTag key, uint _), ulong bits) in _bits)
                longest = key == kind ? Math.Max(longest, bits) : longest;
            return longest == 0 ? 0 : (int)((longest + 7) / 8) + (_hasNumbers ? 1 : 0);
        }
    }
}
