// A C# host: calls told by callback on the library's thread while the collector runs, calls fetched from a queue by a
// thread of C#'s own, and a close that lets that thread, and so the process, end. For Mono and later runtimes.
using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

static class Host {
  const string Lib = "cognite";

  [StructLayout(LayoutKind.Sequential)]
  struct Notify { public UIntPtr Size; public Done Done; public IntPtr UserData; public IntPtr Queue; public ulong Tag; }
  [StructLayout(LayoutKind.Sequential)]
  struct Completion { public UIntPtr Size; public ulong Tag; public IntPtr Response; public IntPtr Error; public int Status; public uint Reserved; }
  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  delegate void Done(IntPtr userData, int status, IntPtr response, IntPtr error);

  [DllImport(Lib)] static extern int cognite_client_load(byte[] text, UIntPtr len, out IntPtr client, IntPtr err);
  [DllImport(Lib)] static extern void cognite_client_free(IntPtr client);
  [DllImport(Lib)] static extern int cognite_client_get_async(IntPtr client, string url, IntPtr pars, IntPtr headers, ref Notify notify, IntPtr err);
  [DllImport(Lib)] static extern IntPtr cognite_response_body(IntPtr response, out UIntPtr len);
  [DllImport(Lib)] static extern void cognite_response_free(IntPtr response);
  [DllImport(Lib)] static extern void cognite_error_free(IntPtr error);
  [DllImport(Lib)] static extern int cognite_queue_new(ulong limit, out IntPtr queue, IntPtr err);
  [DllImport(Lib)] static extern int cognite_queue_next(IntPtr queue, long timeoutMs, ref Completion done, IntPtr err);
  [DllImport(Lib)] static extern void cognite_queue_close(IntPtr queue);
  [DllImport(Lib)] static extern void cognite_queue_free(IntPtr queue);
  [DllImport(Lib)] static extern int cognite_shutdown(IntPtr err);

  static readonly Done OnDone = Told; // static: never collected
  static int good, wrong, fetched, passed, failed;

  static void Told(IntPtr userData, int status, IntPtr response, IntPtr error) {
    var handle = GCHandle.FromIntPtr(userData);
    var wanted = (string)handle.Target;
    handle.Free();
    if (status == 0 && Body(response) == wanted) Interlocked.Increment(ref good); else Interlocked.Increment(ref wrong);
    cognite_response_free(response);
    cognite_error_free(error);
  }

  static string Body(IntPtr response) {
    UIntPtr len;
    var data = cognite_response_body(response, out len);
    var bytes = new byte[(int)len];
    Marshal.Copy(data, bytes, 0, bytes.Length);
    return Encoding.UTF8.GetString(bytes);
  }

  // Answers every request with its path.
  static void Serve(TcpListener listener) {
    while (true) {
      var socket = listener.AcceptSocket();
      new Thread(() => {
        var buffer = new byte[8192];
        var text = "";
        int n;
        try {
          while ((n = socket.Receive(buffer)) > 0) {
            text += Encoding.ASCII.GetString(buffer, 0, n);
            if (!text.EndsWith("\r\n\r\n")) continue;
            var path = text.Split(' ')[1];
            text = "";
            socket.Send(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: " + path.Length + "\r\n\r\n" + path));
          }
        } catch (SocketException) {
        }
      }) { IsBackground = true }.Start();
    }
  }

  static void Check(bool fine, string what) {
    if (fine) passed++; else { failed++; Console.WriteLine("FAILED: " + what); }
  }

  static int Main() {
    const int calls = 2000;
    var listener = new TcpListener(IPAddress.Loopback, 0);
    listener.Start();
    new Thread(() => Serve(listener)) { IsBackground = true }.Start();
    var port = ((IPEndPoint)listener.LocalEndpoint).Port;
    var config = Encoding.UTF8.GetBytes("{\"client_name\":\"csharp\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:" + port +
                                        "\",\"credentials\":{\"token\":\"t\"}}");
    IntPtr client, queue;
    Check(cognite_client_load(config, (UIntPtr)config.Length, out client, IntPtr.Zero) == 0, "client");
    Check(cognite_queue_new(0, out queue, IntPtr.Zero) == 0, "queue");

    // Collects without a pause: whatever the library still points to must be pinned or static.
    new Thread(() => { while (true) { GC.Collect(); Thread.Yield(); } }) { IsBackground = true }.Start();

    // A foreground thread: the process does not end before it does.
    var ended = 0;
    var tags = new HashSet<ulong>();
    var fetcher = new Thread(() => {
      var done = new Completion { Size = (UIntPtr)Marshal.SizeOf(typeof(Completion)) };
      while ((ended = cognite_queue_next(queue, -1, ref done, IntPtr.Zero)) == 0) {
        if (done.Status == 0 && Body(done.Response) == "/" + done.Tag && tags.Add(done.Tag)) fetched++;
        cognite_response_free(done.Response);
        cognite_error_free(done.Error);
      }
    });
    fetcher.Start();
    var accepted = 0;
    for (var i = 0; i < calls; i++) {
      var notify = new Notify { Size = (UIntPtr)Marshal.SizeOf(typeof(Notify)) };
      if (i % 2 == 0) { notify.Done = OnDone; notify.UserData = GCHandle.ToIntPtr(GCHandle.Alloc("/" + i)); }
      else { notify.Queue = queue; notify.Tag = (ulong)i; }
      if (cognite_client_get_async(client, "/" + i, IntPtr.Zero, IntPtr.Zero, ref notify, IntPtr.Zero) == 0) accepted++;
      if (i % 100 == 0) GC.WaitForPendingFinalizers();
      // The calls must not be over before the collector is among them.
      for (var w = 0; w < 400 && i % 100 == 99 && GC.CollectionCount(GC.MaxGeneration) < i / 15; w++) Thread.Sleep(5);
    }
    for (var i = 0; i < 6000 && Volatile.Read(ref good) + Volatile.Read(ref wrong) + Volatile.Read(ref fetched) < calls; i++) {
      Thread.Sleep(10);
    }
    Check(accepted == calls && good == calls / 2 && wrong == 0, good + " told by callback, " + wrong + " wrong");
    Check(fetched == calls / 2, fetched + " fetched");
    cognite_queue_close(queue);
    Check(fetcher.Join(20000) && ended == 21, "the fetching thread ended with " + ended);
    cognite_queue_free(queue);
    cognite_client_free(client);
    Check(cognite_shutdown(IntPtr.Zero) == 0, "shutdown");
    var collections = GC.CollectionCount(GC.MaxGeneration);
    Check(collections > 100, "the collector did not run");
    Console.WriteLine("csharp: {0} told by callback, {1} fetched, {2} collections\n{3} passed, {4} failed", good, fetched,
                      collections, passed, failed);
    return failed == 0 ? 0 : 1;
  }
}
