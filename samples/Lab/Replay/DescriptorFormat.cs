using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>One type of descriptor as the manual's tables have it: who has it, and what must be zero (VT-d, 4.1 and 4.2 of the reference).</summary>
/// <param name="Type">Bits 11:9 and 3:0.</param>
/// <param name="ReservedLow">Reserved bits of the first quadword.</param>
/// <param name="ReservedHigh">Reserved bits of the second quadword.</param>
/// <param name="BadGranularities">A bit for each value of the granularity field, bits 5:4, that is reserved.</param>
internal sealed record DescriptorFormat(int Type, ulong ReservedLow, ulong ReservedHigh, int BadGranularities = 0)
{
    private static readonly DescriptorFormat[] _all =
    [
        new(1, Bits64.Mask(8, 6) | Bits64.Mask(15, 12) | Bits64.Mask(63, 50), ulong.MaxValue, 0b0001),
        new(2, Bits64.Mask(8, 8) | Bits64.Mask(15, 12) | Bits64.Mask(63, 32), Bits64.Mask(11, 7), 0b0001),
        new(3, Bits64.Mask(8, 4) | Bits64.Mask(31, 21) | Bits64.Mask(51, 48), Bits64.Mask(11, 1)),
        new(4, Bits64.Mask(8, 5) | Bits64.Mask(26, 12) | Bits64.Mask(63, 48), ulong.MaxValue),
        new(5, Bits64.Mask(8, 8) | Bits64.Mask(31, 12), Bits64.Mask(1, 0)),
        new(6, Bits64.Mask(8, 6) | Bits64.Mask(15, 12) | Bits64.Mask(63, 52), Bits64.Mask(11, 7), 0b0011),
        new(7, Bits64.Mask(8, 6) | Bits64.Mask(15, 12) | Bits64.Mask(63, 52), ulong.MaxValue, 0b0100),
        new(8, 0, Bits64.Mask(10, 1)),
        new(9, Bits64.Mask(8, 5) | Bits64.Mask(63, 52), Bits64.Mask(1, 0) | Bits64.Mask(63, 12)),
    ];

    /// <summary>The format of a descriptor.</summary>
    /// <param name="low">Its first quadword.</param>
    /// <param name="wide">Whether the queue has descriptors of 256 bits.</param>
    /// <param name="hardware">The unit.</param>
    /// <returns>Null where the unit has no such type in this queue.</returns>
    public static DescriptorFormat? Find(ulong low, bool wide, HardwareProfile hardware)
    {
        ExtendedCapabilityRegister has = hardware.ExtendedCapabilities;
        bool exists = TypeOf(low) switch
        {
            1 or 2 or 5 => true,
            3 => has.DeviceTlb,
            4 => has.InterruptRemapping,
            6 or 7 => wide && has.ScalableMode,
            8 => wide && has.ScalableMode && has.DeviceTlb,
            9 => wide && has.PageRequests,
            _ => false,
        };
        return exists ? Of(low) : null;
    }

    /// <summary>The format of a descriptor of a type that exists.</summary>
    public static DescriptorFormat Of(ulong low) => _all.First(format => format.Type == TypeOf(low));

    /// <summary>Whether a descriptor invalidates the TLB of a device.</summary>
    public static bool IsForDeviceTlb(ulong low, bool wide) => TypeOf(low) == 3 || (TypeOf(low) == 8 && wide);

    /// <summary>Whether a descriptor invalidates the interrupt entry cache.</summary>
    public static bool IsForInterruptEntries(ulong low) => TypeOf(low) == 4;

    /// <summary>Whether a descriptor for interrupt entries masks more bits of an index than the unit can.</summary>
    public static bool MasksTooManyIndices(ulong low, HardwareProfile hardware) =>
        TypeOf(low) == 4 && new Bits64(low).Bit(4) && (int)new Bits64(low).Bits(31, 27) > hardware.ExtendedCapabilities.MaximumHandleMask;

    /// <summary>Whether a descriptor for a device TLB names the physical function that the device belongs to, in bits 63:52 and 15:12.</summary>
    public static bool NamesPhysicalFunction(ulong low) => TypeOf(low) is 3 or 8 && new Bits64(low).Any(Bits64.Mask(63, 52) | Bits64.Mask(15, 12));

    /// <summary>Whether all that must be zero is, and the granularity and the address mask are ones that the unit has.</summary>
    public bool IsWellFormed(ulong low, ulong high, HardwareProfile hardware)
    {
        Bits64 first = new(low);
        Bits64 second = new(high);
        int granularity = (int)first.Bits(5, 4);
        bool drains = Type == 5 && first.Bit(7) && !hardware.ExtendedCapabilities.PageRequestDrain;
        bool masksTooMuch = Type is 2 or 6 && granularity == 3 && (int)second.Bits(5, 0) > hardware.Capabilities.MaximumAddressMask;
        return !first.Any(ReservedLow) && !second.Any(ReservedHigh) && !drains && !masksTooMuch && ((BadGranularities >> granularity) & 1) == 0;
    }

    private static int TypeOf(ulong low) => (int)((new Bits64(low).Bits(11, 9) << 4) | new Bits64(low).Bits(3, 0));
}
