using Dma.Iommu;
using Dma.Iommu.Spec;

namespace Dma.Lab;

/// <summary>The registers of a unit by their places, and their fields, so that values can be told in words.</summary>
internal sealed class RegisterNames
{
    private static readonly (string Name, int Offset, int Width)[] _fixed =
    [
        ("VER", 0x00, 4), ("CAP", 0x08, 8), ("ECAP", 0x10, 8), ("GCMD", 0x18, 4), ("GSTS", 0x1C, 4), ("RTADDR", 0x20, 8), ("CCMD", 0x28, 8),
        ("FSTS", 0x34, 4), ("FECTL", 0x38, 4), ("FEDATA", 0x3C, 4), ("FEADDR", 0x40, 4), ("FEUADDR", 0x44, 4), ("AFLOG", 0x58, 8),
        ("PMEN", 0x64, 4), ("PLMBASE", 0x68, 4), ("PLMLIMIT", 0x6C, 4), ("PHMBASE", 0x70, 8), ("PHMLIMIT", 0x78, 8),
        ("IQH", 0x80, 8), ("IQT", 0x88, 8), ("IQA", 0x90, 8), ("ICS", 0x9C, 4),
        ("IECTL", 0xA0, 4), ("IEDATA", 0xA4, 4), ("IEADDR", 0xA8, 4), ("IEUADDR", 0xAC, 4), ("IQERCD", 0xB0, 8), ("IRTA", 0xB8, 8),
        ("PQH", 0xC0, 8), ("PQT", 0xC8, 8), ("PQA", 0xD0, 8), ("PRS", 0xDC, 4),
        ("PECTL", 0xE0, 4), ("PEDATA", 0xE4, 4), ("PEADDR", 0xE8, 4), ("PEUADDR", 0xEC, 4),
    ];

    private static readonly (string Name, int High, int Low)[] _event = [("IM", 31, 31), ("IP", 30, 30)];

    private static readonly Dictionary<string, (string Name, int High, int Low)[]> _fields = new()
    {
        ["GSTS"] =
        [
            ("TES", 31, 31), ("RTPS", 30, 30), ("FLS", 29, 29), ("AFLS", 28, 28), ("WBFS", 27, 27), ("QIES", 26, 26), ("IRES", 25, 25), ("IRTPS", 24, 24),
            ("CFIS", 23, 23),
        ],
        ["RTADDR"] = [("RTA", 63, 12), ("TTM", 11, 10)],
        ["CCMD"] = [("ICC", 63, 63), ("CIRG", 62, 61), ("CAIG", 60, 59), ("FM", 33, 32), ("SID", 31, 16), ("DID", 15, 0)],
        ["IOTLB"] = [("IVT", 63, 63), ("IIRG", 61, 60), ("IAIG", 58, 57), ("DR", 49, 49), ("DW", 48, 48), ("DID", 47, 32)],
        ["FSTS"] = [("FRI", 15, 8), ("ITE", 6, 6), ("ICE", 5, 5), ("IQE", 4, 4), ("PPF", 1, 1), ("PFO", 0, 0)],
        ["FECTL"] = _event,
        ["IECTL"] = _event,
        ["PECTL"] = _event,
        ["IQA"] = [("IQA", 63, 12), ("DW", 11, 11), ("QS", 2, 0)],
        ["ICS"] = [("IWC", 0, 0)],
        ["IQERCD"] = [("ICESID", 63, 48), ("ITESID", 47, 32), ("IQEI", 3, 0)],
        ["IRTA"] = [("IRTA", 63, 12), ("EIME", 11, 11), ("S", 3, 0)],
        ["FRCD_HI"] =
        [
            ("F", 63, 63), ("T1", 62, 62), ("AT", 61, 60), ("PV", 59, 40), ("FR", 39, 32), ("PP", 31, 31), ("EXE", 30, 30), ("PRIV", 29, 29), ("T2", 28, 28),
            ("SID", 15, 0),
        ],
    };

    private readonly (string Name, int Offset, int Width)[] _all;

    /// <summary>The registers of a unit; some are where its capabilities put them.</summary>
    public RegisterNames(HardwareProfile hardware)
    {
        FaultRecord = RegisterOffsets.FaultRecord(hardware.Capabilities, 0);
        _all =
        [
            .. _fixed,
            ("IVA", RegisterOffsets.InvalidateAddress(hardware.ExtendedCapabilities), 8),
            ("IOTLB", RegisterOffsets.IotlbInvalidate(hardware.ExtendedCapabilities), 8),
            ("FRCD_LO", FaultRecord, 8),
            ("FRCD_HI", FaultRecord + 8, 8),
        ];
    }

    /// <summary>The offset of the first fault record.</summary>
    public int FaultRecord { get; }

    /// <summary>Whether rules may speak of a register by this name.</summary>
    public static bool Knows(string name) => name is "IVA" or "IOTLB" or "FRCD_LO" or "FRCD_HI" || _fixed.Any(register => register.Name == name);

    /// <summary>The register that an offset lies in; one without a name where there is none.</summary>
    public (string Name, int Offset, int Width) At(int offset)
    {
        foreach ((string Name, int Offset, int Width) register in _all)
        {
            if (offset >= register.Offset && offset < register.Offset + register.Width)
                return register;
        }

        return ("", offset & ~7, 8);
    }

    /// <summary>Where a register is.</summary>
    public int OffsetOf(string name) => _all.First(register => register.Name == name).Offset;

    /// <summary>A value as the field that it is in, or as a number.</summary>
    /// <param name="register">The register's name.</param>
    /// <param name="value">The whole register.</param>
    /// <param name="differing">The bits that are worth telling.</param>
    public static string Describe(string register, ulong value, ulong differing)
    {
        string number = $"{value:X}h";
        if (!_fields.TryGetValue(register, out (string Name, int High, int Low)[]? fields))
            return number;
        IEnumerable<string> told = fields
            .Where(field => (Machine.Bits64.Mask(field.High, field.Low) & differing) != 0)
            .Select(field => $"{field.Name}={new Machine.Bits64(value).Bits(field.High, field.Low):X}h");
        string fieldsTold = string.Join(" ", told);
        return fieldsTold.Length == 0 ? number : $"{number} ({fieldsTold})";
    }
}
