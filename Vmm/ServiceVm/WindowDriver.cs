using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pseudo-device driver in the kernel of a service VM: each user-level monitor there has a window by it, on one of the VMs whose devices the service VM models.</summary>
/// <remarks>
/// <code>
/// process            kernel of the service VM           VMM
/// W + address --> fault --> ShowPage(VM, page) --> memory of that VM? pinned, mapped by EPT of the service VM
///                 entry &lt;-- place &lt;------------------
///                 entry removed &lt;-- interrupt, NextLostPage &lt;-- page lost its frame: unmapped, flushed, unpinned
/// </code>
/// The VMM waits for nobody before the frame has another use: what it has unmapped this VM does not reach, whatever its driver does.
/// Until the driver hears of it, its entry leads to nothing, which is a fault like any other.
/// </remarks>
public sealed class WindowDriver : IGuestService
{
    private readonly ServiceVm _service;
    private readonly Signal _lost;
    private readonly PseudoDevice?[] _devices = new PseudoDevice?[ServiceVm.WindowsMax];
    private readonly List<UserLevelMonitor> _monitors = [];

    private WindowDriver(ServiceVm service, Signal lost) => (_service, _lost) = (service, lost);

    /// <summary>Whether the service VM has not ended.</summary>
    public bool IsRunning => _service.Machine.IsRunning;

    private GuestCpu Cpu => _service.Machine.Cpu;

    /// <summary>Loads the driver.</summary>
    /// <param name="service">The service VM whose kernel it is in.</param>
    /// <param name="vector">A vector of its processor, 32 to 255.</param>
    /// <exception cref="InvalidOperationException">The VMM does not take it.</exception>
    public static async ValueTask<WindowDriver> Start(ServiceVm service, byte vector)
    {
        WindowDriver driver = new(service, service.Machine.Cpu.Vector(vector));
        HypercallResult result = await service.Machine.Cpu.Call(Hypercall.OpenWindows, vector);
        if (result.Refusal != DmaRefusal.None)
            throw new InvalidOperationException($"The VMM shows it nothing: {result.Refusal}.");
        service.Machine.Services.Add(driver);
        service.Machine.Host.Loop.Start(driver.Listen);
        return driver;
    }

    /// <inheritdoc/>
    /// <remarks>The service VM has ended, and with it its processes.</remarks>
    async ValueTask IGuestService.Close()
    {
        foreach (UserLevelMonitor monitor in _monitors.ToArray())
            await monitor.Kill();
    }

    /// <summary>The way to pages of a VM.</summary>
    /// <exception cref="InvalidOperationException">It is none whose devices this service VM models, or one of them has ended.</exception>
    internal IWindowPages PagesOf(VirtualMachine machine) => _service.Windows.NumberOf(machine) is { } number && IsRunning
        ? new Pages(this, number)
        : throw new InvalidOperationException($"{_service.Machine.Name} models no devices of {machine.Name}.");

    /// <summary>A process has started.</summary>
    internal void Add(UserLevelMonitor monitor) => _monitors.Add(monitor);

    /// <summary>A process has ended.</summary>
    internal void Remove(UserLevelMonitor monitor) => _ = _monitors.Remove(monitor);

    /// <summary>A guest accessed a register of a model: it waits until the service VM came onto the processor, the process answered, and it is back there itself.</summary>
    internal void Upcall(VirtualMachine guest)
    {
        Processor own = Cpu.Processor;
        ulong beforeNs = own.NowNs;
        guest.Host.SharedProcessor?.Run(_service.Machine);
        own.Charge(Cost.InterruptInjection);
        own.Charge(Cost.Upcall);
        own.Charge(Cost.Exit);
        own.Charge(Cost.Hypercall);
        guest.Cpu.Processor.WaitForOther(own.NowNs - beforeNs + _service.NextJitterNs());
        guest.Host.SharedProcessor?.Run(guest);
    }

    /// <summary>A model asks the VMM to put an interrupt into its VM.</summary>
    internal void Interrupt()
    {
        _service.Machine.Host.SharedProcessor?.Run(_service.Machine);
        Cpu.Processor.Count(Cost.Exit);
        Cpu.Processor.Count(Cost.Hypercall);
    }

    private async Task Listen()
    {
        while (true)
        {
            HypercallResult news = await Cpu.Call(Hypercall.NextLostPage);
            if (news.Refusal == DmaRefusal.NotMapped)
                _ = await Cpu.Processor.Wait(_lost);
            else if (news.Refusal != DmaRefusal.None)
                return;
            else
                Forget(news.Value);
        }
    }

    // As many as there are now.
    private bool TryHearAtOnce()
    {
        bool hasHeard = false;
        while (Cpu.CallAtOnce(Hypercall.NextLostPage, 0, 0) is { Refusal: DmaRefusal.None } news)
        {
            Forget(news.Value);
            hasHeard = true;
        }

        return hasHeard;
    }

    private void Forget(ulong news) => _ = _devices[(int)(news & byte.MaxValue)]?.TryForget(new(news & ~(FrameSize.Page4K.Bytes - 1)));

    /// <summary>Pages of one VM, for the window of one process.</summary>
    private sealed class Pages(WindowDriver driver, int number) : IWindowPages
    {
        public Processor Processor => driver.Cpu.Processor;

        public void Open(PseudoDevice device, ProcessSpace space)
        {
            if (driver._devices[number] is not null)
                throw new InvalidOperationException($"{driver._service.Machine.Name} has a window on VM {number} already.");
            driver._devices[number] = device;
            driver.Cpu.Add(space);
        }

        public void Close(PseudoDevice device, ProcessSpace space)
        {
            driver._devices[number] = null;
            driver.Cpu.Remove(space);
        }

        public bool TryShow(GuestPhysicalAddress page, out GuestPhysicalAddress place)
        {
            HypercallResult shown = driver.Cpu.CallAtOnce(Hypercall.ShowPage, (ulong)number, page.Value);

            // Places that pages have lost are there again as soon as it has heard of it.
            if (shown.Refusal == DmaRefusal.Exhausted && driver.TryHearAtOnce())
                shown = driver.Cpu.CallAtOnce(Hypercall.ShowPage, (ulong)number, page.Value);
            place = new(shown.Value);
            return shown.Refusal == DmaRefusal.None;
        }

        // What the process wrote the VMM knows by EPT. Where it refuses, it has taken the page already.
        public void Hide(GuestPhysicalAddress page, GuestPhysicalAddress place, bool isWritten) =>
            _ = driver.Cpu.CallAtOnce(Hypercall.HidePage, (ulong)number, page.Value);

        // The VMM finds the frames by itself: it believes no list of a service VM.
        public async ValueTask<HostUsbBuffer?> TryMap(ScatterList list, IUsbStack stack, DmaDirection direction)
        {
            HypercallResult mapped = await driver.Cpu.Call(Hypercall.MapGuest, (ulong)number, list.Start.Value, (ulong)list.Length, (ulong)direction);
            return mapped.Refusal == DmaRefusal.None ? new(new(mapped.Value), list.Length, Memory: null) : null;
        }

        public async ValueTask Unmap(ScatterList list, IUsbStack stack, HostUsbBuffer mapped, DmaDirection direction) =>
            _ = await driver.Cpu.Call(Hypercall.UnmapGuest, (ulong)number, mapped.DeviceAddress.Value);

        public PhysicalAddress? Reach(GuestPhysicalAddress place, bool isWrite) => driver.Cpu.Translate(place, isWrite);
    }
}
