using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Resets one function: by itself, or with the bus that it is alone on.</summary>
internal static class DeviceReset
{
    private const int DeviceCapabilities = 0x04;
    private const int DeviceControl = 0x08;
    private const uint FunctionLevelResetCapable = 1u << 28;
    private const ushort InitiateFunctionLevelReset = 1 << 15;
    private const ushort SecondaryBusReset = 1 << 6;

    // PCI Express base, 6.6.2 and 6.6.1: how long software waits after a reset; 7.5.1.3.13: how long it holds one.
    private const ulong AfterResetNs = 100_000_000;
    private const ulong HoldResetNs = 1_000_000;

    /// <summary>Whether there is a way to reset the function and nothing else.</summary>
    /// <param name="function">The function.</param>
    /// <param name="bridge">The bridge above its bus, or null on bus 0.</param>
    /// <param name="isAlone">Whether nothing else is on its bus.</param>
    public static bool IsPossible(ConfigurationView function, ConfigurationView? bridge, bool isAlone) =>
        HasFunctionLevelReset(function) || (bridge is not null && isAlone);

    /// <summary>Whether the function can be reset by itself.</summary>
    public static bool HasFunctionLevelReset(ConfigurationView function)
    {
        int offset = function.Find(PciCapabilityId.PciExpress);
        return offset != 0 && (function.Read32(offset + DeviceCapabilities) & FunctionLevelResetCapable) != 0;
    }

    /// <summary>Starts a function-level reset.</summary>
    public static void Initiate(ConfigurationView function)
    {
        int control = function.Find(PciCapabilityId.PciExpress) + DeviceControl;
        function.Write16(control, (ushort)(function.Read16(control) | InitiateFunctionLevelReset));
    }

    /// <summary>Resets the function, with the bridge's help where it cannot do so alone; its BARs have to be set again.</summary>
    /// <returns>Whether it answers afterwards.</returns>
    public static async ValueTask<bool> Perform(Processor processor, ConfigurationView function, ConfigurationView? bridge)
    {
        if (HasFunctionLevelReset(function))
        {
            Initiate(function);
        }
        else if (bridge is { } above)
        {
            ushort control = above.Read16(PciOffset.BridgeControl);
            above.Write16(PciOffset.BridgeControl, (ushort)(control | SecondaryBusReset));
            await processor.Delay(HoldResetNs);
            above.Write16(PciOffset.BridgeControl, (ushort)(control & ~SecondaryBusReset));
        }

        await processor.Delay(AfterResetNs);
        return function.IsThere;
    }
}
