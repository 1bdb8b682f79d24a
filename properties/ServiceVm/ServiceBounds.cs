using Dma.Lab;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>What holds of a service VM at any moment: looked at whenever a request comes one stage further, and every millisecond.</summary>
internal sealed class ServiceBounds : IUrbWatch
{
    private const ulong LookNs = 1_000_000;
    private const int Places = 16;
    private const int RingPages = 2;
    private const int PagesMax = 16;
    private const int WindowPagesMax = 32;

    private readonly ServiceMachine _machine;
    private bool _isOver;

    /// <summary>Looks from now on.</summary>
    /// <param name="machine">The computer, whose service VM runs.</param>
    public ServiceBounds(ServiceMachine machine)
    {
        _machine = machine;
        machine.Watch = this;
    }

    /// <summary>Looks every millisecond until it is told to stop.</summary>
    public async Task Look()
    {
        while (!_isOver)
        {
            Check();
            await _machine.Host.Loop.Delay(LookNs);
        }
    }

    /// <summary>All is done.</summary>
    public void Stop() => _isOver = true;

    /// <inheritdoc/>
    public void Reached(int frontEnd, ushort id, UrbStage stage) => Check();

    // E4 and E2: no more requests than places, and no page more than those of requests that have no answer, or of data that goes straight to its place.
    private void Check()
    {
        for (int number = 0; number < _machine.Guests.Count; number++)
        {
            VirtualMachine guest = _machine.Guests[number];
            int outstanding = _machine.BackEnd.OutstandingOf(number);
            int pages = _machine.Service.PagesMappedOf(guest);
            int reached = _machine.Service.WindowOf(guest).Mapped;
            if (outstanding is < 0 or > Places || pages < 0 || pages > RingPages + (outstanding * PagesMax) || reached is < 0 or > WindowPagesMax)
                Assert.Fail($"{guest.Name}: {outstanding} requests, {pages} pages mapped for them, {reached} pages mapped for what is modelled.");
        }
    }
}
