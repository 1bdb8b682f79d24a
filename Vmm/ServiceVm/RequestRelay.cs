using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Carries requests and answers between a front end and a service VM that share no memory: the VMM copies them.</summary>
/// <remarks>
/// <code>
/// rings of the guest &lt;-- back side | VMM | front side --> rings of the service VM
/// </code>
/// Both rings hold as many entries, so that what there is room for in the one there is room for in the other.
/// </remarks>
internal sealed class RequestRelay
{
    private readonly BackRing _requests;
    private readonly BackRing _plugs;
    private readonly FrontRing _calls;
    private readonly FrontRing _news;
    private readonly List<ushort> _owed = [];

    /// <summary>A way with nothing on it.</summary>
    /// <param name="guest">Whose rings they are.</param>
    /// <param name="rings">The rings of the guest.</param>
    /// <param name="pages">Two pages of the service VM.</param>
    public RequestRelay(VirtualMachine guest, FrontEndRings rings, MemoryBuffer pages)
    {
        HostCpu cpu = guest.Host.Cpu;
        _requests = new(cpu, new(rings.Requests.Frame.Value), UrbRequest.Size);
        _plugs = new(cpu, new(rings.Plugs.Frame.Value), PlugEvent.Size);
        _calls = new(pages.Slice(0, SharedRing.PageBytes), UrbRequest.Size);
        _news = new(pages.Slice(SharedRing.PageBytes, SharedRing.PageBytes), PlugEvent.Size);
        _ = _calls.Sleep();
        _ = _news.Sleep();
    }

    /// <summary>Whether the guest broke the rules of a ring.</summary>
    public bool IsBroken => _requests.IsBroken || _plugs.IsBroken;

    /// <summary>Brings what the front end asks to the service VM.</summary>
    /// <param name="payer">Who pays for the copies.</param>
    public void Forward(Processor payer)
    {
        byte[] entry = new byte[UrbRequest.Size];
        do
        {
            while (_calls.Free != 0 && _requests.TryTake(entry))
            {
                _owed.Add(BinaryPrimitives.ReadUInt16LittleEndian(entry));
                _calls.Add(entry);
                Charge(payer, entry.Length);
            }
        }
        while (!_requests.IsBroken && _calls.Free != 0 && !_requests.Sleep());
        _ = _calls.Push();
        byte[] news = new byte[PlugEvent.Size];
        while (_news.Free != 0 && _plugs.TryTake(news))
            _news.Add(news);
        _ = _news.Push();
    }

    /// <summary>Brings answers and news to the front end.</summary>
    /// <param name="payer">Who pays for the copies.</param>
    public void Return(Processor payer)
    {
        UrbResponse response = default;
        do
        {
            while (_calls.TryTake(MemoryMarshal.AsBytes(new Span<UrbResponse>(ref response))))
            {
                // An answer to nothing that was asked goes nowhere.
                if (!_owed.Remove(response.Id))
                    continue;
                _requests.Add(MemoryMarshal.AsBytes(new ReadOnlySpan<UrbResponse>(in response)));
                Charge(payer, UrbResponse.Size);
            }
        }
        while (!_calls.Sleep());
        _ = _requests.Publish();
        byte[] news = new byte[PlugEvent.Size];
        do
        {
            while (_news.TryTake(news))
                _plugs.Add(news);
        }
        while (!_news.Sleep());
        _ = _plugs.Publish();
    }

    /// <summary>The service VM is gone: each request that has no answer gets one that says so.</summary>
    public void RefuseAll()
    {
        foreach (ushort id in _owed)
        {
            UrbResponse response = new() { Id = id, Status = UrbStatus.Shutdown };
            _requests.Add(MemoryMarshal.AsBytes(new ReadOnlySpan<UrbResponse>(in response)));
        }

        _owed.Clear();

        // Those that it was never brought, too: at most a ring of them.
        byte[] entry = new byte[UrbRequest.Size];
        while (_requests.TryTake(entry))
        {
            UrbResponse response = new() { Id = BinaryPrimitives.ReadUInt16LittleEndian(entry), Status = UrbStatus.Shutdown };
            _requests.Add(MemoryMarshal.AsBytes(new ReadOnlySpan<UrbResponse>(in response)));
        }

        _ = _requests.Publish();
    }

    private static void Charge(Processor payer, int bytes)
    {
        payer.Charge(Cost.Copy);
        payer.Charge(Cost.CopiedByte, (ulong)bytes);
    }
}
