namespace Dma.Vmm;

/// <summary>The kinds of controllers that VMs can have in turns.</summary>
internal static class TurnHardware
{
    /// <summary>Looks at a function.</summary>
    /// <returns><c>null</c> where it is no controller with port gates.</returns>
    public static ITurnHardware? TryOpen(RealFunction function) => (ITurnHardware?)GatedEhci.TryOpen(function) ?? GatedXhci.TryOpen(function);

    /// <summary>Each root port of a controller as a bit.</summary>
    public static uint AllPorts(this ITurnHardware hardware) => (uint)((1ul << hardware.PortCount) - 1);
}
