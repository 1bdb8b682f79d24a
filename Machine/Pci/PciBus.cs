namespace Dma.Machine;

/// <summary>A PCI bus: up to 256 functions, and the way up through the bridge above it to the root.</summary>
public sealed class PciBus
{
    private const int FunctionsMax = 256;
    private const int LinesPerDevice = 4;

    private readonly PciFunction?[] _functions = new PciFunction?[FunctionsMax];
    private readonly PciHost? _host;

    internal PciBus(PciHost host) => _host = host;

    internal PciBus(PciBridge bridge) => Bridge = bridge;

    /// <summary>The bridge above it; null for the root bus.</summary>
    public PciBridge? Bridge { get; }

    /// <summary>Its number now: 0 for the root bus, else what the secondary bus number register of the bridge holds.</summary>
    public byte Number => Bridge?.SecondaryBus ?? 0;

    /// <summary>What is plugged in, lowest device and function first.</summary>
    public IEnumerable<PciFunction> Functions => _functions.OfType<PciFunction>();

    /// <summary>The root of the hierarchy that it is part of; null where a bridge above is not plugged in.</summary>
    internal PciHost? Host => Bridge is { } bridge ? bridge.Bus?.Host : _host;

    /// <summary>Whether a bridge above holds everything on it in reset.</summary>
    internal bool IsHeldInReset => Bridge is { } bridge && (bridge.HoldsSecondaryInReset || bridge.Bus is not { IsHeldInReset: false });

    /// <summary>The addresses for which an access by a processor arrives here.</summary>
    internal IReadOnlyList<AddressRange> Reachable { get; private set; } = [AddressRange.All];

    /// <summary>Plugs a function in.</summary>
    /// <param name="function">The function; not plugged in elsewhere.</param>
    /// <param name="device">0 to 31.</param>
    /// <param name="functionNumber">0 to 7.</param>
    /// <exception cref="ArgumentException">The place is taken.</exception>
    public void Add(PciFunction function, int device, int functionNumber = 0)
    {
        byte place = new SourceId(0, device, functionNumber).DeviceFunction;
        if (_functions[place] is not null)
            throw new ArgumentException($"Something is plugged in at device {device}, function {functionNumber}.");
        function.Plug(this, place);
        _functions[place] = function;

        // Each function of a device with several of them says so (7.5.1.1.9).
        PciFunction[] siblings = [.. Functions.Where(other => other.DeviceFunction >> 3 == device)];
        if (siblings.Length > 1)
        {
            foreach (PciFunction sibling in siblings)
                sibling.SetMultiFunction();
        }
    }

    /// <summary>Pulls a function out; its windows, its line and its way into memory go with it.</summary>
    /// <exception cref="ArgumentException">It is not plugged in here.</exception>
    public void Remove(PciFunction function)
    {
        if (function.Bus != this)
            throw new ArgumentException("The function is not on this bus.");
        _functions[function.DeviceFunction] = null;
        function.Unplug();
    }

    /// <summary>The function that a configuration request for a source-id reaches by the bus numbers in the bridges, or null.</summary>
    /// <remarks>On this bus it arrives as type 0; toward a bus further down as type 1, through the bridge whose numbers span it.</remarks>
    internal PciFunction? Find(SourceId target)
    {
        if (IsHeldInReset)
            return null;
        if (target.Bus == Number)
            return _functions[target.DeviceFunction];
        foreach (PciFunction? function in _functions)
        {
            if (function is PciBridge bridge && bridge.SecondaryBus <= target.Bus && target.Bus <= bridge.SubordinateBus)
                return bridge.Secondary.Find(target);
        }

        return null;
    }

    /// <summary>Under which source-id a request of a function on this bus reaches the root.</summary>
    /// <param name="source">Whom the request names when it leaves the function.</param>
    internal SourceId RequesterOf(SourceId source)
    {
        SourceId requester = source;
        for (PciBus? bus = this; bus?.Bridge is { } bridge; bus = bridge.Bus)
            requester = RequesterBehind(bridge, requester);
        return requester;
    }

    /// <summary>What a request of a function on this bus meets on its way to the root: success where all bridges pass it on.</summary>
    /// <param name="source">Whom the request names when it leaves the function.</param>
    /// <param name="isUntranslated">Whether its AT field is zero.</param>
    internal DmaStatus Admit(SourceId source, bool isUntranslated)
    {
        SourceId requester = source;
        for (PciBus? bus = this; bus.Bridge is { } bridge; bus = bridge.Bus)
        {
            DmaStatus status = bridge.Admit(requester, isUntranslated);
            if (status != DmaStatus.Success)
                return status;
            if (bridge.Bus is null)
                return DmaStatus.Unclaimed;
            requester = RequesterBehind(bridge, requester);
        }

        return DmaStatus.Success;
    }

    /// <summary>The line, 0 to 3, that a pin of a device on this bus is wired to: each bridge turns them by the device number (2.2.8.1).</summary>
    internal int LineOf(int pin, int device)
    {
        int line = (pin - 1 + device) % LinesPerDevice;
        return Bridge is { Bus: { } above } bridge ? above.LineOf(line + 1, bridge.DeviceFunction >> 3) : line;
    }

    /// <summary>Notes a refused request where it was refused: in the bridge that does not pass it on, else in the root port.</summary>
    /// <param name="source">Whom the request names when it leaves the function.</param>
    /// <param name="isUntranslated">Whether its AT field is zero.</param>
    /// <param name="posted">Whether it was a write.</param>
    internal void RecordRefusal(SourceId source, bool isUntranslated, bool posted)
    {
        SourceId requester = source;
        for (PciBus? bus = this; bus?.Bridge is { } bridge; bus = bridge.Bus)
        {
            DmaStatus status = bridge.Admit(requester, isUntranslated);
            if (status == DmaStatus.AccessViolation)
                bridge.Express?.RecordAccessViolation(posted);
            else if (status != DmaStatus.Success || bridge.Type == PciExpressType.RootPort)
                bridge.Express?.RecordUnsupportedRequest(posted);
            if (status != DmaStatus.Success)
                return;
            requester = RequesterBehind(bridge, requester);
        }
    }

    /// <summary>Brings everything below the bridge up to date with its registers.</summary>
    internal void Refresh(IReadOnlyList<AddressRange> reachable)
    {
        Reachable = reachable;
        foreach (PciFunction function in Functions)
            function.Refresh();
    }

    /// <summary>Resets everything on the bus and below.</summary>
    internal void Reset()
    {
        foreach (PciFunction function in Functions)
            function.Reset();
    }

    // A bridge from PCI Express to a conventional bus sends what comes from below as device 0, function 0 of its
    // secondary bus; a conventional bridge sends it as its own; ports pass it on as it is.
    private static SourceId RequesterBehind(PciBridge bridge, SourceId requester) => bridge.Type switch
    {
        null => bridge.Source,
        PciExpressType.ExpressToConventional => new(bridge.SecondaryBus, 0, 0),
        _ => requester,
    };
}
