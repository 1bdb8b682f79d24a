namespace Dma.Vmm;

/// <summary>Root ports of a shared controller that are given to a VM.</summary>
internal static class RootPorts
{
    /// <summary>Ports as a mask, a bit for each.</summary>
    /// <param name="ports">From 1 on.</param>
    public static uint Mask(IReadOnlyList<int> ports) => ports.Aggregate(0u, static (mask, port) => mask | (1u << (port - 1)));

    /// <summary>Whether a controller has all of them, and none is named twice.</summary>
    /// <param name="ports">From 1 on.</param>
    /// <param name="count">How many ports the controller has.</param>
    public static bool AreThere(IReadOnlyList<int> ports, int count) =>
        ports.All(port => port >= 1 && port <= count) && ports.Distinct().Count() == ports.Count;
}
