using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a guest sees of a controller that it has in turns: a function in its own PCI hierarchy.</summary>
/// <remarks>
/// All of its configuration space is virtual. It cannot be reset as a function, since that would reset the ports of others;
/// drivers reset the controller by its registers. A guest gets BAR 0 alone, and of that not where messages of the host are.
/// </remarks>
internal sealed class TimeSharedFunction : PciFunction
{
    private readonly ControllerTenant _tenant;
    private readonly RegisterPages _pages;

    /// <summary>What a guest will see, not plugged in yet.</summary>
    /// <param name="real">The controller.</param>
    /// <param name="hardware">Its registers.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <param name="tenant">Who answers behind the BAR.</param>
    public TimeSharedFunction(RealFunction real, ITurnHardware hardware, GuestMemory memory, ControllerTenant tenant)
        : base(real.Identity)
    {
        _tenant = tenant;
        AddMemoryBar(0, real.Bars[0].Length);
        _pages = new(memory, real.Bars[0], [.. real.HostRegisters.Where(static part => part.Bar == 0).Select(static part => (part.First, part.Length))]);
        foreach (Register register in hardware.ConfigurationRegisters)
            AddRegister(register);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint, false));
    }

    /// <summary>Whether the guest reaches the registers without an exit.</summary>
    public bool IsMapped => _pages.IsMapped;

    /// <summary>Whether the guest wants its controller to send requests.</summary>
    public bool IsBusMaster => Bus is not null && (Command & PciCommand.BusMaster) != 0;

    /// <summary>The controller raised its interrupt, or the image did: it is on its way to the guest.</summary>
    public void Interrupt() => RaiseInterrupt();

    /// <summary>Puts the registers of the controller into the guest, or takes them out.</summary>
    /// <param name="isMapped">Whether its registers are those of the controller, all of them.</param>
    public void Map(bool isMapped) => _pages.Follow(isMapped && Bus is not null ? DecodedAt(0) : null);

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _tenant.Read(offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _tenant.Write(offset, width, value);

    /// <inheritdoc/>
    protected override void OnReset() => _tenant.ResetController();

    /// <inheritdoc/>
    protected override void OnRefresh() => _tenant.Follow();
}
