using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The conditions that rules may name: each is asked of what the script did and of the bits in memory.</summary>
internal static class RuleConditions
{
    private const ulong ExecuteDisable = 1ul << 63;
    private const ulong InterruptsFrom = 0xFEE0_0000;
    private const ulong InterruptsTo = 0xFEEF_FFFF;

    private static readonly Dictionary<string, Func<RuleContext, bool>> _all = new()
    {
        ["legacy mode"] = context => Mode(context) == 0,
        ["scalable mode"] = context => Mode(context) == 1,
        ["reserved mode"] = context => Mode(context) > 1 || (Mode(context) == 1 && !Has(context).ScalableMode),
        ["no translation widths"] = context => context.State.Hardware.Capabilities.SupportedWidths == 0,
        ["no modes to choose"] = context => !Has(context).ScalableMode && !Has(context).AbortDma,
        ["scalable unit"] = context => Has(context).ScalableMode,
        ["no snoop control"] = context => !Has(context).SnoopControl,
        ["extended interrupt mode"] = context => Has(context).ExtendedInterruptMode,
        ["no extended interrupt mode"] = context => !Has(context).ExtendedInterruptMode,
        ["no 1 GiB first-stage pages"] = context => !context.State.Hardware.Capabilities.FirstStage1G,

        ["queue on"] = context => context.State.Manual.IsEnabled,
        ["commanded while the queue was on"] = context => context.State.CommandedUnderQueue,
        ["domain-selective command"] = context => new Bits64(context.Written("CCMD")).Bits(62, 61) == 2,

        ["first stage"] = context => context.Path.IsFirstStage,
        ["second stage"] = context => !context.Path.IsFirstStage && !context.Path.IsPassThrough,
        ["pass-through"] = context => context.Path.IsPassThrough,
        ["page used before"] = context => context.State.FramesUsed(context.Step.Source, context.Step.Address).Count != 0,
        ["read"] = context => context.Step.Kind == StepKind.DmaRead,
        ["write"] = context => context.Step.Kind == StepKind.DmaWrite,
        ["zeros read"] = context => context.Step.Kind == StepKind.DmaRead && !context.Data.AsSpan().ContainsAnyExcept((byte)0),

        ["FPD in the context entry"] = context => Fpd(context.Path.Context),
        ["FPD in an entry up to the directory"] = context => Fpd(context.Path.Context) || Fpd(context.Path.Directory),
        ["FPD in an entry up to the PASID table"] = context => Fpd(context.Path.Context) || Fpd(context.Path.Directory) || Fpd(context.Path.PasidEntry),
        ["PASID entry absent"] = context => context.Path.PasidEntry.Length != 0 && (context.Path.PasidEntry[0] & 1) == 0,
        ["reserved bits in the PASID directory"] = context => context.Path.Directory.Length != 0 && PasidReservedBits.InDirectory(context.Path.Directory[0], context.State.Hardware),
        ["reserved bits in the PASID entry"] = context => context.Path.PasidEntry.Length != 0 && PasidReservedBits.InEntry(context.Path.PasidEntry, context.State.Hardware),
        ["reserved bits in the other half of the root entry"] = OtherHalfReserved,
        ["width below the largest"] = context => context.Path.Context.Length != 0 && new Bits64(context.Path.Context[1]).Bits(2, 0) != LargestWidth(context),
        ["table pointer beyond the host width"] = context => context.Path.Context.Length != 0 && BeyondHost(context, context.Path.Context[0]),
        ["address beyond the host width"] = context => BeyondHost(context, context.Path.Address),

        ["compatibility asked"] = context => context.State.CompatibilityAsked,
        ["compatibility format"] = context => context.Interrupt is { IsRemappable: false },
        ["compatibility not allowed"] = context => !context.State.CompatibilityAsked || context.Interrupt is { IsExtended: true },
        ["bus range whose order matters"] = context => context.Interrupt is { Entry: { Length: 2 } entry } && Validation(entry) == 2 && (byte)entry[1] != (byte)(entry[1] >> 8),
        ["reserved way of validating"] = context => context.Interrupt is { Entry: { Length: 2 } entry } && Validation(entry) == 3,
        ["index of more than 16 bits"] = context => context.Interrupt is { Index: > ushort.MaxValue },
        ["reserved bits in the data"] = context => context.Interrupt is { HasReservedData: true },
        ["write by DMA"] = context => context.Step.Kind == StepKind.DmaWrite && context.Interrupt is not null,
        ["more than a doubleword"] = context => context.Step.Bytes.Length != 4 || context.Step.Address % 4 != 0,

        ["an entry without rights"] = GrantsNothing,
        ["SNP in the leaf"] = context => Leaf(context) is { } leaf && new Bits64(leaf.Raw).Bit(11),
        ["XD in an entry where NXE is 0"] = context => context.Path.IsFirstStage
            && !new Bits64(context.Path.PasidEntry[2]).Bit(5)
            && context.Path.Entries.Any(entry => (entry.Raw & ExecuteDisable) != 0),
        ["1 GiB leaf"] = context => Leaf(context) is { Level: 3 },
        ["an entry of ones"] = context => context.Path.Entries.Any(entry => entry.Raw == ulong.MaxValue),
        ["leaf around the interrupt range"] = context => Leaf(context) is { Level: > 1 } leaf
            && leaf.Page <= InterruptsTo && leaf.Page + leaf.Bytes > InterruptsFrom
            && !InterruptRange.Contains(leaf.Page + (context.Path.Address & (leaf.Bytes - 1))),
        ["width of another stage"] = context => context.Path.PasidEntry.Length != 0 && new Bits64(context.Path.PasidEntry[0]).Bits(4, 2) != 2,
    };

    /// <summary>Whether a condition has a meaning.</summary>
    public static bool Knows(string condition) => _all.ContainsKey(condition);

    /// <summary>Whether a condition holds.</summary>
    public static bool Holds(string condition, RuleContext context) => _all[condition](context);

    private static ExtendedCapabilityRegister Has(RuleContext context) => context.State.Hardware.ExtendedCapabilities;

    private static int Mode(RuleContext context) => (int)new Bits64(context.State.RootTable).Bits(11, 10);

    private static bool Fpd(ulong[] entry) => entry.Length != 0 && new Bits64(entry[0]).Bit(1);

    private static ulong Validation(ulong[] entry) => new Bits64(entry[1]).Bits(19, 18);

    private static bool BeyondHost(RuleContext context, ulong address) => address >> context.State.Hardware.HostAddressWidth != 0;

    private static ulong LargestWidth(RuleContext context) =>
        (ulong)System.Numerics.BitOperations.Log2((uint)context.State.Hardware.Capabilities.SupportedWidths & 0b1110);

    private static PagingEntry? Leaf(RuleContext context) => context.Path.Entries.Count != 0 && context.Path.Entries[^1].IsLeaf ? context.Path.Entries[^1] : null;

    // Rights that no entry so far has left are rights that nobody has.
    private static bool GrantsNothing(RuleContext context)
    {
        ulong rights = 3;
        foreach (PagingEntry entry in context.Path.Entries)
            rights &= entry.Raw;
        return context.Path.Entries.Count != 0 && rights == 0;
    }

    private static bool OtherHalfReserved(RuleContext context)
    {
        if (context.Path.Root.Length == 0)
            return false;
        int half = context.Step.Source.DeviceFunction >> 7;
        ulong reserved = Bits64.Mask(11, 1) | ~Bits64.Mask(context.State.Hardware.HostAddressWidth - 1, 0);
        return (context.Path.Root[1 - half] & reserved) != 0 && (context.Path.Root[half] & reserved) == 0;
    }
}
